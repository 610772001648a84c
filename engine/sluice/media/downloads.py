"""Downloads in a process of their own: what untrusted servers send costs the worker's event loop nothing.

A server may send bytes one by one, early hints without end, or headers by the thousand: all of it is parsed in the
child, while the worker scores the posts of others. The limits are those of `sluice.media.http`, which runs there.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import struct
from collections.abc import Callable

import msgspec

from sluice.bytebudget import Lease
from sluice.children import start_child
from sluice.config import MediaConfig
from sluice.errors import MediaInvalid, MediaRefused, MediaUnavailable, PartFailed
from sluice.media.http import HttpLimits

logger = logging.getLogger(__name__)

HEADER = struct.Struct("<cQQ")
"""Kind, number of the download, bytes that follow."""
FETCH, CANCEL, READY, BODY, FAILURE = b"u", b"c", b"r", b"b", b"x"
FAILURES: dict[str, Callable[[str, str], PartFailed]] = {
    each.__name__: each for each in (MediaRefused, MediaUnavailable, MediaInvalid)
}
_GONE = "the downloads' process ended"
_START_S = 30.0
_MAX_FAILURE_BYTES = 4096


def limits_of(config: MediaConfig) -> HttpLimits:
    """The part of the settings that downloads need."""
    return HttpLimits(
        config.max_bytes, config.max_redirects, config.allow_private, config.contact, max_wait_s=config.timeout_s
    )


class Failed(msgspec.Struct, array_like=True, frozen=True):
    """Why a download failed: the error's class, reason and detail."""

    kind: str
    reason: str
    detail: str


class Downloads:
    """Fetches over HTTP in a child process, started with the first download and again when it has ended.

    Parameters
    ----------
    limits : HttpLimits
    memory_bytes : int
        For the bodies that the child holds.
    """

    def __init__(self, limits: HttpLimits, memory_bytes: int = 64 * 2**20) -> None:
        self._limits = limits
        self._memory_bytes = memory_bytes
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[asyncio.Future[bytes], Lease]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Have the child ready before the first download."""
        await self._running()

    async def fetch(self, address: str, lease: Lease) -> bytes:
        """See `HttpFetcher.fetch`."""
        process, number = await self._running(), next(self._numbers)
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = done, lease
        try:
            _say(process, FETCH, number, address.encode("utf-8", "surrogatepass"))
            return await done
        finally:
            if self._waiting.pop(number, None) and done.cancelled():
                _say(process, CANCEL, number)

    async def close(self) -> None:
        """End the child."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._reader:
            self._reader.cancel()

    async def _running(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is None or self._process.returncode is not None or self._is_read_out():
                self._process = await self._start()
                self._reader = asyncio.create_task(self._read(self._process))
            return self._process

    def _is_read_out(self) -> bool:
        return self._reader is None or self._reader.done()

    async def _start(self) -> asyncio.subprocess.Process:
        settings = msgspec.json.encode([self._limits, self._memory_bytes]).decode()
        process = await start_child("sluice.media.download_child", settings, niceness=5)
        try:
            async with asyncio.timeout(_START_S):
                await _stdout(process).readexactly(HEADER.size)
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            process.kill()
            raise MediaUnavailable("unreachable", "downloads cannot be started") from error
        return process

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hand out what the child sends until it ends."""
        try:
            while True:
                kind, number, n_bytes = HEADER.unpack(await _stdout(process).readexactly(HEADER.size))
                await self._hand_out(_stdout(process), kind, number, n_bytes)
        except (asyncio.IncompleteReadError, ValueError, msgspec.MsgspecError, KeyError) as error:
            logger.warning("%s: %s", _GONE, type(error).__name__)
        finally:
            if process.returncode is None:
                process.kill()
            for done, _ in list(self._waiting.values()):
                _fail(done, MediaUnavailable("unreachable", _GONE))

    async def _hand_out(self, stream: asyncio.StreamReader, kind: bytes, number: int, n_bytes: int) -> None:
        if n_bytes > (self._limits.max_bytes if kind == BODY else _MAX_FAILURE_BYTES):
            raise ValueError(f"{n_bytes} bytes")
        done, lease = self._waiting.get(number, (None, None))
        if kind == BODY and lease is not None:
            await lease.grow(n_bytes)
        body = await stream.readexactly(n_bytes)
        if done is None or done.done():
            return
        if kind == BODY:
            done.set_result(body)
        else:
            failed = msgspec.msgpack.decode(body, type=Failed)
            _fail(done, FAILURES[failed.kind](failed.reason, failed.detail))


def _fail(done: asyncio.Future[bytes], error: PartFailed) -> None:
    if not done.done():
        done.set_exception(error)


def _say(process: asyncio.subprocess.Process, kind: bytes, number: int, body: bytes = b"") -> None:
    if process.stdin is None or process.stdin.is_closing():
        raise MediaUnavailable("unreachable", _GONE)
    process.stdin.write(HEADER.pack(kind, number, len(body)) + body)


def _stdout(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise MediaUnavailable("unreachable", _GONE)
    return process.stdout
