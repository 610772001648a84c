"""Media over HTTP: bounded, and never to an address inside our own network.

The address that is checked is the address that is connected to: names are resolved here, once per connection, so a
name that changes its mind between check and use gains nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import zlib
from dataclasses import dataclass
from typing import Any

import aiohttp
import tenacity
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from engine.errors import MediaInvalid, MediaRefused, MediaUnavailable, PartFailed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_CHARS = 8 * 1024
_PORTS = {80, 443}
_REDIRECTS = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_N_ATTEMPTS = 3
_CHUNK_BYTES = 64 * 1024
_CODINGS = {"gzip", "x-gzip", "deflate"}
_INFLATE_EITHER = 47  # zlib: window of 32 KiB, gzip or zlib header as found

_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out for unicast
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_RELAYS = ipaddress.IPv4Network("192.88.99.0/24")  # RFC 7526: 6to4 relays, given up
# What WHATWG calls "ends in a number": every spelling that inet_aton reads as an address.
_NUMERIC_HOST = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)\.?$", re.IGNORECASE)


class _Passing(Exception):
    """A failure that may pass: a reset connection or a 5xx answer. Holds what to raise if it does not."""

    def __init__(self, failure: PartFailed) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(frozen=True)
class HttpLimits:
    """What one fetch may do.

    Attributes
    ----------
    max_bytes : int
        Of the body, before and after its content coding is undone.
    allow_private : bool
        Whether addresses inside our own network and other ports than 80 and 443 may be asked.
    """

    max_bytes: int
    max_redirects: int
    allow_private: bool


def is_public(address: Address) -> bool:
    """Whether an address is reachable by anybody, that is not inside our network in any disguise.

    Refused are private, loopback, link-local, multicast, reserved, unspecified, carrier-grade NAT and documentation
    addresses, and IPv6 addresses that carry one of these (mapped, NAT64, 6to4, Teredo).
    """
    carried = _unwrap(address)
    if carried:
        return all(is_public(inner) for inner in carried)
    if isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_IPV6:
        return False
    if isinstance(address, ipaddress.IPv4Address) and address in _RELAYS:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _unwrap(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 address carries."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    carried: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
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


class HttpFetcher:
    """Fetches media over HTTP; belongs to the event loop that made it.

    Parameters
    ----------
    limits : HttpLimits
    resolver : AbstractResolver, optional
        The system's by default.
    """

    def __init__(self, limits: HttpLimits, resolver: AbstractResolver | None = None) -> None:
        self._limits = limits
        checked = CheckedResolver(resolver or aiohttp.ThreadedResolver(), limits.allow_private)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=checked, use_dns_cache=False, limit_per_host=16),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "User-Agent": "sluice"},
            auto_decompress=False,  # a bomb would be inflated before we could count it
            trust_env=False,  # a proxy would resolve the name again, unchecked
            timeout=aiohttp.ClientTimeout(total=None),  # the caller's
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def fetch(self, address: str) -> bytes:
        """The body behind a URL, redirects followed, resets and 5xx answers retried.

        Raises
        ------
        MediaRefused
            ``bad_uri``, ``forbidden`` or ``too_large``.
        MediaUnavailable
            ``unreachable``, ``not_found`` or ``http_error``.
        MediaInvalid
            ``bad_encoding``: a content coding that we did not ask for and cannot undo.
        """
        attempts = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(_N_ATTEMPTS),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=0.5),
            retry=tenacity.retry_if_exception_type(_Passing),
            reraise=True,
        )
        try:
            return await attempts(self._follow, parse_url(address))
        except _Passing as error:
            raise error.failure from error

    async def _follow(self, url: URL) -> bytes:
        for _ in range(self._limits.max_redirects + 1):
            answer = await self._ask(url)
            if isinstance(answer, bytes):
                return answer
            url = answer
        raise MediaRefused("forbidden", f"more than {self._limits.max_redirects} redirects")

    async def _ask(self, url: URL) -> bytes | URL:
        """The body, or where it has moved to."""
        check_url(url, self._limits.allow_private)
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and location:
                    return parse_url(location, url)
                _check_status(response, url)
                return await self._read(response)
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise MediaUnavailable("unreachable", f"cannot connect to {url.host}") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError) as error:
            raise _Passing(MediaUnavailable("unreachable", f"{url.host} closed the connection")) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise MediaUnavailable("unreachable", f"{url.host} does not speak HTTP") from error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        limit = self._limits.max_bytes
        if (response.content_length or 0) > limit:
            raise _too_large(limit)
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
        return _undo_coding(bytes(body), response.headers.get("Content-Encoding", ""), limit)


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


def _check_status(response: aiohttp.ClientResponse, url: URL) -> None:
    if response.status in _GONE:
        raise MediaUnavailable("not_found", f"not found at {url.host}")
    if response.status == 200:
        return
    failure = MediaUnavailable("http_error", f"HTTP {response.status} from {url.host}")
    raise _Passing(failure) if response.status >= 500 else failure


def _undo_coding(body: bytes, coding: str, limit: int) -> bytes:
    """Inflate what a server compressed although it was asked not to; at most `limit` bytes."""
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        return body
    if coding not in _CODINGS:
        raise MediaInvalid("bad_encoding", "a content coding that was not asked for")
    inflater: Any = zlib.decompressobj(_INFLATE_EITHER)
    try:
        plain: bytes = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise MediaInvalid("bad_encoding", "a damaged content coding") from error
    if len(plain) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise MediaInvalid("bad_encoding", "a content coding that ends early")
    return plain


def _too_large(limit: int) -> MediaRefused:
    return MediaRefused("too_large", f"over {limit} bytes")
