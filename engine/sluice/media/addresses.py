"""Which addresses media may be fetched from: none inside our own network, however they are spelled or hidden.

The address that is checked is the address that is connected to: a name is resolved here, once per connection, so one
that changes its mind between check and use gains nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from sluice.errors import MediaRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_CHARS = 8 * 1024
_PORTS = {80, 443}

_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out for unicast
_DOCUMENTATION = ipaddress.IPv6Network("3fff::/20")  # RFC 9637; Python 3.11 does not know it yet
_ISATAP = {0x0000_5EFE, 0x0200_5EFE}  # RFC 5214: in front of an IPv4 address, under any prefix
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_INSIDE = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "192.88.99.0/24",  # RFC 7526: 6to4 relays, given up
        "192.0.0.0/24",  # RFC 6890: protocol assignments; a cloud's metadata at .192
        "161.26.0.0/16",  # IBM Cloud's own services, at addresses that look public
        "166.8.0.0/14",  # the same
        "168.63.129.16/32",  # Azure's own services, seen from its machines alone, at an address that looks public
    )
)
# What WHATWG calls "ends in a number": every spelling that inet_aton reads as an address.
_NUMERIC_HOST = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)\.?$", re.IGNORECASE)


def is_public(address: Address) -> bool:
    """Whether an address is reachable by anybody, that is not inside our network in any disguise.

    Refused are private, loopback, link-local, multicast, reserved, unspecified, carrier-grade NAT and documentation
    addresses, clouds' own services, and IPv6 addresses that carry one of these (mapped, NAT64, 6to4, Teredo, ISATAP).
    """
    if _is_isatap(address) and not is_public(_last_bits(address)):
        return False
    carried = _unwrap(address)
    if carried:
        return all(is_public(inner) for inner in carried)
    if isinstance(address, ipaddress.IPv6Address) and not _is_public_ipv6(address):
        return False
    if isinstance(address, ipaddress.IPv4Address) and any(address in network for network in _INSIDE):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _is_public_ipv6(address: ipaddress.IPv6Address) -> bool:
    """Whether a network is IANA's for unicast."""
    return address in _PUBLIC_IPV6 and address not in _DOCUMENTATION


def _is_isatap(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and int(address) >> 32 & 0xFFFF_FFFF in _ISATAP


def _last_bits(address: Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def _unwrap(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 address carries."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    carried: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        carried.append(_last_bits(address))
    return [inner for inner in carried if inner is not None]


class CheckedResolver(AbstractResolver):
    """Resolves names for the connector and refuses those with any address inside our network."""

    def __init__(self, inner: AbstractResolver, allow_private: bool) -> None:
        self._inner = inner
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of a host.

        Raises
        ------
        MediaRefused
            ``forbidden``, if one of them is not public.
        OSError
            If there are none.
        """
        found = await self._inner.resolve(host, port, family)
        if not self._allow_private and not all(is_public(_parse_address(each["host"])) for each in found):
            raise MediaRefused("forbidden", f"{host} has an address that may not be fetched from")
        return found

    async def close(self) -> None:
        """Close the resolver underneath."""
        await self._inner.close()


def _parse_address(text: str) -> Address:
    return ipaddress.ip_address(text.partition("%")[0])


def parse_url(address: str, base: URL | None = None) -> URL:
    """Read a URL, or a redirect's target; raises `MediaRefused` (``bad_uri``)."""
    if len(address) > MAX_URL_CHARS:
        raise MediaRefused("bad_uri", f"a URL of {len(address)} characters, the limit is {MAX_URL_CHARS}")
    try:
        url = URL(address)
        url = base.join(url) if base else url
        complete = bool(url.host) and url.port is not None
    except (ValueError, TypeError) as error:
        raise MediaRefused("bad_uri", "not a URL") from error
    if not complete:
        raise MediaRefused("bad_uri", "a URL without a host")
    return url


def check_url(url: URL, allow_private: bool) -> None:
    """Check all of a URL but where its name leads; raises `MediaRefused` (``bad_uri`` or ``forbidden``)."""
    if url.scheme not in {"http", "https"}:
        raise MediaRefused("forbidden", "a redirect out of HTTP")
    if url.user is not None or url.password is not None:
        raise MediaRefused("forbidden", "a URL with credentials")
    if not allow_private and url.port not in _PORTS:
        raise MediaRefused("forbidden", f"port {url.port}; only 80 and 443 may be fetched from")
    _check_literal(url.host or "", allow_private)


def _check_literal(host: str, allow_private: bool) -> None:
    """The connector does not resolve addresses, so the resolver does not see these."""
    try:
        address = _parse_address(host)
    except ValueError as error:
        if _NUMERIC_HOST.search(host):
            raise MediaRefused("bad_uri", "an address in an unusual spelling") from error
        return
    if not allow_private and not is_public(address):
        raise MediaRefused("forbidden", f"{host} may not be fetched from")
