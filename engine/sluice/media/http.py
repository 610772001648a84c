"""Media over HTTP: bounded in bytes and redirects, and only from addresses that may be fetched from."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import tenacity
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from yarl import URL

from sluice.errors import MediaInvalid, MediaRefused, MediaUnavailable, PartFailed
from sluice.media.addresses import CheckedResolver, check_url, parse_url

_REDIRECTS = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_BUSY = {429, 503}
_N_ATTEMPTS = 3
_CHUNK_BYTES = 64 * 1024
_GROWTH_BYTES = 2**20
_N_FREE_CHUNKS, _LEAST_CHUNK_BYTES = 512, 64
"""A body that comes in smaller pieces than this, after so many of them, costs more than it can be worth."""
_MAX_CONNECTIONS = 256
_MAX_PER_HOST = 8
_MAX_HINTS = 8
_BACKOFF = tenacity.wait_random_exponential(multiplier=0.05, max=0.5)
_CODINGS = {"gzip", "x-gzip", "deflate"}
_INFLATE_EITHER = 47  # zlib: window of 32 KiB, gzip or zlib header as found

Grow = Callable[[int], Awaitable[None]]


async def _unbounded(n_bytes: int) -> None:
    """A `Grow` that lets everything pass."""


class _TransientFailure(Exception):
    """A failure that may pass: a reset connection or a 5xx answer. Holds what to raise if it does not.

    Parameters
    ----------
    after_s : float
        How long the server asks to be left alone.
    """

    def __init__(self, failure: PartFailed, after_s: float = 0.0) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.after_s = after_s


@dataclass(frozen=True)
class HttpLimits:
    """What one fetch may do.

    Attributes
    ----------
    max_bytes : int
        Of the body, before and after its content coding is undone.
    allow_private : bool
        Whether addresses inside our own network and other ports than 80 and 443 may be asked.
    contact : str
        Whom the owner of a server may turn to: an address or a page, for the User-Agent; empty for none.
    max_wait_s : float
        A server that asks to be left alone for longer is given up at once.
    """

    max_bytes: int
    max_redirects: int
    allow_private: bool
    contact: str = ""
    max_wait_s: float = 5.0


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
        self._hosts = _HostPlaces()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=checked, use_dns_cache=False, limit=_MAX_CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "User-Agent": _user_agent(limits.contact)},
            response_class=_Response,
            auto_decompress=False,  # a bomb would be inflated before we could count it
            trust_env=False,  # a proxy would resolve the name again, unchecked
            timeout=aiohttp.ClientTimeout(total=None),  # the caller's
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def fetch(self, address: str, grow: Grow = _unbounded) -> bytes:
        """The body behind a URL, redirects followed, resets and 5xx answers retried.

        A server that asks to be left alone (429 or 503 with ``Retry-After``) is, if the time is short.

        Parameters
        ----------
        grow : coroutine function
            Called with the bytes that the body has in all, before they are held.

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
            wait=_wait,
            retry=tenacity.retry_if_exception_type(_TransientFailure),
            reraise=True,
        )
        try:
            return await attempts(self._follow, parse_url(address), grow)
        except _TransientFailure as error:
            raise error.failure from error

    async def _follow(self, url: URL, grow: Grow) -> bytes:
        for _ in range(self._limits.max_redirects + 1):
            async with self._hosts.enter(url.host or ""):
                answer = await self._ask(url, grow)
            if isinstance(answer, bytes):
                return answer
            url = answer
        raise MediaRefused("forbidden", f"more than {self._limits.max_redirects} redirects")

    async def _ask(self, url: URL, grow: Grow) -> bytes | URL:
        """The body, or where it has moved to."""
        check_url(url, self._limits.allow_private)
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and location:
                    return parse_url(location, url)
                _check_status(response, url, self._limits.max_wait_s)
                return await self._read(response, grow)
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise MediaUnavailable("unreachable", f"cannot connect to {url.host}") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError) as error:
            raise _TransientFailure(MediaUnavailable("unreachable", f"{url.host} closed the connection")) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise MediaUnavailable("unreachable", f"{url.host} does not speak HTTP") from error

    async def _read(self, response: aiohttp.ClientResponse, grow: Grow) -> bytes:
        limit = self._limits.max_bytes
        if (response.content_length or 0) > limit:
            raise _too_large(limit)
        await grow(response.content_length or 0)
        body, n_chunks = bytearray(), 0
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            n_chunks += 1
            if len(body) > limit:
                raise _too_large(limit)
            if n_chunks > _N_FREE_CHUNKS and len(body) < n_chunks * _LEAST_CHUNK_BYTES:
                raise MediaUnavailable("unreachable", f"{response.url.host} sends byte by byte")
            await grow(-(-len(body) // _GROWTH_BYTES) * _GROWTH_BYTES)
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        await grow(len(body) + (limit if coding in _CODINGS else 0))
        return _undo_coding(bytes(body), coding, limit)


class _HostPlaces:
    """Lets so many downloads at once go to one host, name look-up included: the others are not to wait for it."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def enter(self, host: str) -> AsyncIterator[None]:
        places, n_users = self._places.get(host) or (asyncio.Semaphore(_MAX_PER_HOST), 0)
        self._places[host] = places, n_users + 1
        try:
            async with places:
                yield
        finally:
            places, n_users = self._places.pop(host)
            if n_users > 1:
                self._places[host] = places, n_users - 1


class _Response(aiohttp.ClientResponse):
    """Gives up on a server that sends early hints (1xx) without end, of which aiohttp would read every one."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """See `aiohttp.ClientResponse.start`."""
        protocol: Any = connection.protocol
        read, n_read = protocol.read, 0

        async def read_counted() -> Any:
            nonlocal n_read
            n_read += 1
            if n_read > _MAX_HINTS:
                raise aiohttp.ClientPayloadError("early hints without end")
            return await read()

        protocol.read = read_counted
        try:
            return await super().start(connection)
        finally:
            del protocol.read


def _user_agent(contact: str) -> str:
    return f"sluice (+{contact})" if contact else "sluice"


def _wait(state: tenacity.RetryCallState) -> float:
    """A moment, longer each time, or as long as the server asks."""
    error = state.outcome.exception() if state.outcome else None
    return max(_BACKOFF(state), error.after_s if isinstance(error, _TransientFailure) else 0.0)


def _read_pause(text: str) -> float | None:
    """Seconds of a ``Retry-After`` header (RFC 9110, 10.2.3): a number, or a date."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _check_status(response: aiohttp.ClientResponse, url: URL, max_wait_s: float) -> None:
    if response.status in _GONE:
        raise MediaUnavailable("not_found", f"not found at {url.host}")
    if response.status == 200:
        return
    failure = MediaUnavailable("http_error", f"HTTP {response.status} from {url.host}")
    pause_s = _read_pause(response.headers.get("Retry-After", "")) if response.status in _BUSY else None
    if pause_s is not None:
        raise _TransientFailure(failure, pause_s) if pause_s <= max_wait_s else failure
    raise _TransientFailure(failure) if response.status >= 500 else failure


def _undo_coding(body: bytes, coding: str, limit: int) -> bytes:
    """Inflate what a server compressed although it was asked not to; at most `limit` bytes."""
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
