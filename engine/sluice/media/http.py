"""Media over HTTP: bounded in bytes and redirects, and only from addresses that may be fetched from."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import aiohttp
import tenacity
from aiohttp.abc import AbstractResolver
from yarl import URL

from sluice.errors import MediaInvalid, MediaRefused, MediaUnavailable, PartFailed
from sluice.media.addresses import CheckedResolver, check_url, parse_url

_REDIRECTS = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_N_ATTEMPTS = 3
_CHUNK_BYTES = 64 * 1024
_CODINGS = {"gzip", "x-gzip", "deflate"}
_INFLATE_EITHER = 47  # zlib: window of 32 KiB, gzip or zlib header as found


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
