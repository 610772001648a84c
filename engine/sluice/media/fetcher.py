"""A media URI to bytes, inside limits, never to a forbidden address.

``data:`` is decoded in place; ``file:`` must lie inside configured roots; ``http:`` and ``https:`` never reach our
own network (see `sluice.media.addresses`); any other URL must lie under a configured store.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import fsspec

from sluice.bytebudget import Lease
from sluice.config import MediaConfig
from sluice.errors import MediaInvalid, MediaRefused, MediaUnavailable
from sluice.media.data_uri import decode_base64, split_data_uri
from sluice.media.downloads import Downloads, limits_of

_N_THREADS = 8
_AROUND = "\ufeff" + "".join(map(chr, range(0x21)))
"""What may stand around a URI and means nothing: a byte order mark, and what the WHATWG's URL standard takes away."""
_LOCAL_HOSTS = {"", "localhost"}
_READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO must not block the open


class Http(Protocol):
    """What fetches over HTTP."""

    async def fetch(self, address: str, lease: Lease) -> bytes:
        """The body behind a URL; raises `PartFailed`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class MediaFetcher:
    """Fetches media; made and used inside one event loop.

    Parameters
    ----------
    config : MediaConfig
    http : Http, optional
        What fetches over HTTP; a process of its own by default.
    """

    def __init__(self, config: MediaConfig, http: Http | None = None) -> None:
        self._config = config
        self._roots = tuple(root.resolve() for root in config.roots)
        self._http = http or Downloads(limits_of(config))
        self._threads = ThreadPoolExecutor(_N_THREADS, thread_name_prefix="media")

    async def close(self) -> None:
        """Close all connections; reads that hang in a file system are left behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._http.close()

    async def fetch(self, uri: str, lease: Lease) -> bytes:
        """The bytes behind a URI.

        Parameters
        ----------
        uri : str
            ``data:`` (base64), ``file:``, ``http:``, ``https:``, or a URL under a configured store.
        lease : Lease
            Grows by what is held; not for ``data:``, which is part of a message that is held anyway.

        Raises
        ------
        MediaRefused
            ``bad_uri``, ``forbidden`` or ``too_large``.
        MediaUnavailable
            ``unreachable``, ``not_found``, ``http_error`` or ``late``.
        MediaInvalid
            ``not_base64`` or ``bad_encoding``.
        """
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await self._dispatch(uri.strip(_AROUND), lease)
        except TimeoutError as error:
            raise MediaUnavailable("late", f"not fetched within {self._config.timeout_s:g} s") from error

    async def _dispatch(self, uri: str, lease: Lease) -> bytes:
        scheme = uri[:32].partition(":")[0].lower()
        if scheme == "data":
            return decode_data_uri(uri, self._config.max_bytes)
        if scheme == "file":
            return await self._run(lambda: read_file(uri, self._roots, self._config.max_bytes), lease)
        if scheme in {"http", "https"}:
            return await self._http.fetch(uri, lease)
        return await self._run(lambda: read_stored(uri, self._config.store_urls, self._config.max_bytes), lease)

    async def _run(self, read: Callable[[], bytes], lease: Lease) -> bytes:
        """Read on a thread; how much is there is not known before."""
        await lease.grow(self._config.max_bytes)
        content = await asyncio.get_running_loop().run_in_executor(self._threads, read)
        lease.shrink(len(content))
        return content


def decode_data_uri(uri: str, max_bytes: int) -> bytes:
    """The bytes in a base64 ``data:`` URI.

    Raises
    ------
    MediaRefused
        ``bad_uri`` (not base64 by its own word) or ``too_large``.
    MediaInvalid
        ``not_base64``.
    """
    parts = split_data_uri(uri)
    if parts is None:
        raise MediaRefused("bad_uri", "a data URI that is not base64")
    _, payload = parts
    if len(payload) > (max_bytes + 2) // 3 * 4:
        raise _too_large(max_bytes)
    try:
        content = decode_base64(payload)
    except ValueError as error:
        raise MediaInvalid("not_base64", "a data URI with damaged base64") from error
    if len(content) > max_bytes:
        raise _too_large(max_bytes)
    return content


def read_file(uri: str, roots: tuple[Path, ...], max_bytes: int) -> bytes:
    """A regular file inside one of the roots.

    Parameters
    ----------
    uri : str
        ``file:///absolute/path``.
    roots : tuple of Path
        Resolved.

    Raises
    ------
    MediaRefused
        ``bad_uri``, ``forbidden`` (outside the roots after symbolic links, or not a regular file) or ``too_large``.
    MediaUnavailable
        ``not_found`` or ``unreachable``.
    """
    path = _resolve(uri)
    root = next((root for root in roots if path.is_relative_to(root)), None)
    if root is None:
        raise MediaRefused("forbidden", "a file outside the media roots")
    try:
        return _read_below(root, path.relative_to(root).parts, max_bytes)
    except FileNotFoundError as error:
        raise MediaUnavailable("not_found", "no such file") from error
    except OSError as error:
        raise MediaUnavailable("unreachable", f"cannot read the file: {error.strerror}") from error


def _resolve(uri: str) -> Path:
    try:
        parts = urlsplit(uri)
        if parts.netloc.lower() not in _LOCAL_HOSTS or not parts.path.startswith("/"):
            raise MediaRefused("bad_uri", "a file URI must be file:///absolute/path")
        return Path(unquote(parts.path, errors="surrogateescape")).resolve()
    except (ValueError, OSError, RuntimeError) as error:  # NUL, too long, a loop of links
        raise MediaRefused("bad_uri", "not a path") from error


def _read_below(root: Path, parts: tuple[str, ...], max_bytes: int) -> bytes:
    """Read `root`/`parts`, going down without following links: they were resolved, a new one is an attack."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_DIRECTORY | _READ_FLAGS, dir_fd=folder)
            os.close(folder)
            folder = below
        file = os.open(parts[-1] if parts else ".", _READ_FLAGS, dir_fd=folder)
    finally:
        os.close(folder)
    return _read_regular(file, max_bytes)


def _read_regular(descriptor: int, max_bytes: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise MediaRefused("forbidden", "not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        content = b"" if status.st_size > max_bytes else file.read(max_bytes + 1)
    if max(status.st_size, len(content)) > max_bytes:
        raise _too_large(max_bytes)
    return content


def read_stored(uri: str, store_urls: tuple[str, ...], max_bytes: int) -> bytes:
    """An object under one of the stores.

    Raises
    ------
    MediaRefused
        ``bad_uri`` (no scheme that we know, or no plain path), ``forbidden`` (under no store) or ``too_large``.
    MediaUnavailable
        ``not_found`` or ``unreachable``.
    """
    store_url, name = _find_store(uri, store_urls)
    try:
        files, root = _open_store(store_url)
        content: bytes = files.cat_file(f"{root}/{name}", start=0, end=max_bytes + 1)
    except FileNotFoundError as error:
        raise MediaUnavailable("not_found", "not in the media store") from error
    except Exception as error:  # every store has exceptions of its own
        raise MediaUnavailable("unreachable", f"the media store failed: {type(error).__name__}") from error
    if len(content) > max_bytes:
        raise _too_large(max_bytes)
    return content


def _find_store(uri: str, store_urls: tuple[str, ...]) -> tuple[str, str]:
    """The store that a URI lies under, and its path there."""
    scheme, separator, path = uri.partition("://")
    if not separator:
        raise MediaRefused("bad_uri", "not a URI that media can be fetched from")
    address = f"{scheme.lower()}://{path}"
    store_url = next((url for url in store_urls if address.startswith(url.rstrip("/") + "/")), None)
    if store_url is None:
        raise MediaRefused("forbidden", "under none of the media stores")
    name = address[len(store_url.rstrip("/")) + 1 :]
    if any(part in {"", ".", ".."} for part in name.split("/")) or not name.isprintable():
        raise MediaRefused("bad_uri", "not a plain path in the media store")
    return store_url, name


@lru_cache(maxsize=16)
def _open_store(store_url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    # Only the configured URL is parsed by fsspec: a post's own could chain other file systems ("a::b").
    files, root = fsspec.core.url_to_fs(store_url)
    return files, root.rstrip("/")


def _too_large(max_bytes: int) -> MediaRefused:
    return MediaRefused("too_large", f"over {max_bytes} bytes")
