"""A listener that any connection would reach, whatever its address, sees none to the ranges that are refused."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from tests.engine.media.sites import BODY, Answer, FixedResolver, Site, fail, fetch, find_family, redirect_to, serve

REFUSED = {
    "3fff::/20": ["3fff::1", "3fff:fff:ffff:ffff::1"],
    "ISATAP": ["2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "2606:4700::5efe:a9fe:a9fe"],
    "161.26.0.0/16": ["161.26.0.1", "161.26.255.254", "::ffff:161.26.0.1"],
    "166.8.0.0/14": ["166.8.0.1", "166.11.255.254", "64:ff9b::a608:1"],
}
ADDRESSES = [address for addresses in REFUSED.values() for address in addresses]
PUBLIC = ["8.8.8.8", "161.25.255.254", "166.12.0.1", "2606:4700:4700::1111", "2606:4700::200:5efe:808:808"]


def as_url(address: str) -> str:
    return f"http://[{address}]/" if ":" in address else f"http://{address}/"


class Listener:
    """Stands at the end of every way out, by IPv4 and by IPv6."""

    def __init__(self, *sites: Site) -> None:
        self._sites = {find_family(site.address): site for site in sites}

    @property
    def n_requests(self) -> int:
        return sum(site.n_requests for site in self._sites.values())

    def answer(self, answer: Answer) -> None:
        for site in self._sites.values():
            site.answer = answer

    def address_for(self, sock: socket.socket) -> tuple[str, int]:
        site = self._sites[sock.family]
        return site.address, site.port


@pytest.fixture
async def listener(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listener]:
    """The network of a test that has no other host."""
    async with serve() as four, serve("::1") as six:
        listener, original = Listener(four, six), asyncio.SelectorEventLoop.sock_connect

        async def connect(loop: asyncio.SelectorEventLoop, sock: socket.socket, address: object) -> None:
            await original(loop, sock, listener.address_for(sock))

        monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", connect)
        yield listener


@pytest.mark.parametrize("address", PUBLIC)
async def test_it_would_see_a_connection(listener: Listener, address: str) -> None:
    assert await fetch(as_url(address), allow_private=False) == BODY
    assert await fetch("http://named.test/", allow_private=False, resolver=FixedResolver([address])) == BODY
    assert listener.n_requests == 2


@pytest.mark.parametrize("address", ADDRESSES)
async def test_it_sees_none_to_a_refused_address_or_a_name_that_has_one(listener: Listener, address: str) -> None:
    assert (await fail(as_url(address), allow_private=False)).reason == "forbidden"
    for found in ([address], ["8.8.8.8", address]):
        failure = await fail("http://named.test/", allow_private=False, resolver=FixedResolver(found))
        assert failure.reason == "forbidden"
    assert listener.n_requests == 0


@pytest.mark.parametrize("address", ADDRESSES)
async def test_it_sees_none_behind_a_redirect(listener: Listener, address: str) -> None:
    listener.answer(redirect_to(as_url(address)))
    assert (await fail("http://8.8.8.8/start", allow_private=False)).reason == "forbidden"
    assert listener.n_requests == 1
