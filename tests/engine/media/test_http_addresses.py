import pytest

from sluice.errors import MediaRefused
from sluice.media import addresses
from tests.engine.media.sites import BODY, FixedResolver, Site, answer_with, fail, fetch, fetcher, redirect_to, serve


async def test_the_systems_resolver_is_asked() -> None:
    assert (await fail("http://no-such-host.invalid/")).reason == "unreachable"
    assert (await fail("http://localhost/", allow_private=False)).reason == "forbidden"


async def test_a_redirect_is_followed(site: Site) -> None:
    site.answer = redirect_to("/end")
    assert await fetch(f"{site.url}/start") == BODY
    assert site.n_requests == 2


async def test_redirects_without_end_are_refused(site: Site) -> None:
    site.answer = redirect_to("/again")
    assert (await fail(site.url)).detail == "more than 3 redirects"
    assert site.n_requests == 4


@pytest.mark.parametrize(
    "location", ["file:///etc/hostname", "ftp://example.com/x", "data:,x", "http://u:secret@host/"]
)
async def test_a_redirect_out_of_http_is_refused(site: Site, location: str) -> None:
    site.answer = redirect_to(location)
    failure = await fail(site.url)
    assert isinstance(failure, MediaRefused)
    assert failure.reason in {"forbidden", "bad_uri"}


async def test_a_redirect_without_target_is_an_error(site: Site) -> None:
    site.answer = answer_with(status=302)
    assert (await fail(site.url)).reason == "http_error"


@pytest.mark.parametrize("hop", ["http://127.0.0.1:{port}/", "http://inside.test:{port}/", "//127.0.0.1:{port}/end"])
async def test_a_redirect_into_our_network_is_refused(monkeypatch: pytest.MonkeyPatch, hop: str) -> None:
    async with serve("127.0.0.2") as outside, serve("127.0.0.1") as inside:
        monkeypatch.setattr(addresses, "is_public", lambda address: str(address) == "127.0.0.2")
        monkeypatch.setattr(addresses, "_PORTS", {outside.port, inside.port})
        outside.answer = redirect_to(hop.format(port=inside.port))
        failure = await fail(f"{outside.url}/start", allow_private=False, resolver=FixedResolver(["127.0.0.1"]))
        assert (outside.n_requests, inside.n_requests) == (1, 0)
    assert failure.reason == "forbidden"


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["fe80::1%eth0"], ["::ffff:10.0.0.1"]]
)
async def test_a_name_with_an_address_inside_our_network_is_refused(addresses: list[str]) -> None:
    failure = await fail("http://harmless.test/?secret", allow_private=False, resolver=FixedResolver(addresses))
    assert isinstance(failure, MediaRefused)
    assert failure.detail == "harmless.test has an address that may not be fetched from"


async def test_the_address_that_was_checked_is_connected_to(site: Site) -> None:
    """A name that changes between check and use: it is resolved once, so there is nothing to change."""
    resolver = FixedResolver(["127.0.0.1"], ["127.0.0.9"])
    assert await fetch(f"http://changing.test:{site.port}/", resolver=resolver) == BODY
    assert resolver.asked == ["changing.test"]
    assert site.headers["Host"] == f"changing.test:{site.port}"


async def test_every_new_connection_is_checked_again(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    site.answer = answer_with(body=BODY, headers={"Connection": "close"})
    monkeypatch.setattr(addresses, "is_public", lambda address: str(address) == "127.0.0.1")
    monkeypatch.setattr(addresses, "_PORTS", {site.port})
    async with fetcher(allow_private=False, resolver=FixedResolver(["127.0.0.1"], ["10.0.0.1"])) as http:
        assert await http.fetch(f"http://changing.test:{site.port}/") == BODY
        with pytest.raises(MediaRefused):
            await http.fetch(f"http://changing.test:{site.port}/")
