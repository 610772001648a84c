"""The decoders of a worker: started when they are needed, one file each at a time, killed when late."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from sluice.bytebudget import ByteBudget
from sluice.children import start_child, write_in_pieces
from sluice.config import DecodingConfig
from sluice.decoding import wire
from sluice.errors import MediaInvalid
from sluice.features import Features
from sluice.features.audio import extract_audio, extract_audio_and_speech
from sluice.features.image import (
    extract_image,
    extract_image_and_pages,
    extract_image_and_prints,
    extract_image_pages_and_prints,
)

logger = logging.getLogger(__name__)

SourceT = TypeVar("SourceT")
ResultT = TypeVar("ResultT")

REASONS = ("not_image", "not_audio", "unsupported", "empty", "bomb", "truncated", "not_finite", "silent")
LATE_GRACE_S = 1.0
"""A file whose post did not wait for it may take so much longer: a decoder costs half a second to start."""
MAX_FILES = 1_000
"""A decoder is replaced after so many: what its libraries leave behind does not add up."""
_START_S = 60.0


class _Ended(Exception):
    """The decoder is no more."""


class Decoder:
    """One child process.

    Attributes
    ----------
    n_files : int
        That it was given.
    """

    def __init__(self, process: asyncio.subprocess.Process, memory: ByteBudget) -> None:
        self._process = process
        self._memory = memory
        self.n_files = 0

    @classmethod
    async def start(cls, config: DecodingConfig, memory: ByteBudget) -> Decoder:
        """Start a decoder and wait until it is ready."""
        limits = (str(config.idle_bytes), str(config.cpu_s))
        process = await start_child("sluice.decoding.child", *limits)
        decoder = cls(process, memory)
        try:
            async with asyncio.timeout(_START_S):
                await decoder._hear()
        except BaseException:
            await decoder.end()
            raise
        return decoder

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def end(self) -> None:
        """End it, whatever it does."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def decode(self, kind: bytes, content: bytes) -> Features[Any]:
        """Decode one file.

        Raises
        ------
        MediaInvalid
            It cannot be decoded.
        wire.BadAnswer, _Ended
            The decoder is not to be used again.
        """
        held = 0
        self.n_files += 1
        try:
            await self._say(kind, content)
            while (answer := await self._hear())[0] == wire.WANTED:
                self._memory.give(held)
                held = 0
                held = await self._take(answer[1])
                await self._say(wire.GRANTED)
        finally:
            self._memory.give(held)
        return _read(kind, *answer)

    async def _take(self, body: bytes) -> int:
        if len(body) != wire.COUNT.size:
            raise wire.BadAnswer("no count")
        (n_bytes,) = wire.COUNT.unpack(body)
        if n_bytes > self._memory.total:
            needed, allowed = -(-n_bytes // 2**20), self._memory.total // 2**20
            raise _TooLarge(f"needs {needed} MB to be decoded, {allowed} MB are allowed")
        return await self._memory.take(n_bytes)

    async def _say(self, kind: bytes, body: bytes = b"") -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing():
            raise _Ended
        try:
            stdin.write(wire.HEADER.pack(kind, len(body)))
            await write_in_pieces(stdin, body)
        except (BrokenPipeError, ConnectionError) as error:
            raise _Ended from error

    async def _hear(self) -> tuple[bytes, bytes]:
        stdout = self._process.stdout
        if stdout is None:
            raise _Ended
        try:
            kind, n_bytes = wire.HEADER.unpack(await stdout.readexactly(wire.HEADER.size))
            if n_bytes > wire.MAX_ANSWER_BYTES:
                raise wire.BadAnswer(f"{n_bytes} bytes")
            return kind, await stdout.readexactly(n_bytes)
        except asyncio.IncompleteReadError as error:
            raise _Ended from error

    async def describe_end(self) -> str:
        """How it ended, for people; it has ended, or is about to."""
        code = await self._process.wait()
        if code == -signal.SIGXCPU:
            return "takes too long to decode"
        name = signal.Signals(-code).name if code < 0 else f"code {code}"
        return f"crashed its decoder ({name})"


class _TooLarge(MediaInvalid):
    def __init__(self, detail: str) -> None:
        super().__init__("bomb", detail)


def _read(kind: bytes, answered: bytes, body: bytes) -> Features[Any]:
    if answered == wire.FEATURES:
        return wire.read_features(body, kind)
    if answered == wire.FAILURE:
        failure = wire.read_failure(body, REASONS)
        raise MediaInvalid(failure.reason, failure.detail)
    if answered == wire.TRACE:
        logger.error("a file could not be decoded: %s", body[:4096].decode(errors="replace"))
        raise MediaInvalid("internal", "internal error while it was decoded")
    raise wire.BadAnswer("an unknown kind")


EXTRACTORS: Mapping[object, bytes] = {
    extract_image: wire.IMAGE,
    extract_image_and_pages: wire.IMAGE_AND_PAGES,
    extract_image_and_prints: wire.IMAGE_AND_PRINTS,
    extract_image_pages_and_prints: wire.IMAGE_PAGES_AND_PRINTS,
    extract_audio: wire.AUDIO,
    extract_audio_and_speech: wire.AUDIO_AND_SPEECH,
}
"""What a decoder can be asked to run, and as what its rows come back."""


@dataclass(slots=True)
class _File:
    """What is to be decoded, and what became of it: whether its post waits no more, whether a decoder has it."""

    kind: bytes
    content: bytes
    is_late: bool = False
    is_begun: bool = False


class DecodingPool:
    """Decodes media in child processes, as a `Runner` does; made and used inside one event loop.

    Parameters
    ----------
    config : DecodingConfig
    """

    def __init__(self, config: DecodingConfig) -> None:
        self._config = config
        self._memory = ByteBudget(config.shared_bytes)
        self._places = asyncio.Semaphore(config.n_decoders)
        self._idle: list[Decoder] = []
        self._busy: set[Decoder] = set()
        self._tasks: set[asyncio.Task[Features[Any]]] = set()

    async def start(self) -> None:
        """Have one decoder ready; the others start when there is work for them."""
        self._idle.append(await Decoder.start(self._config, self._memory))

    async def close(self) -> None:
        """End all decoders."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(decoder.end() for decoder in self._idle))
        self._idle.clear()

    @property
    def pids(self) -> list[int]:
        """Process ids of the decoders."""
        return [decoder.pid for decoder in (*self._idle, *self._busy)]

    async def __call__(self, extract: Callable[[SourceT], ResultT], source: SourceT) -> ResultT:
        """Run one of `EXTRACTORS` on some bytes; a decoder that crashes or is late is a `MediaInvalid` too."""
        return cast(ResultT, await self._extract(EXTRACTORS[extract], cast(bytes, source)))

    async def _extract(self, kind: bytes, content: bytes) -> Features[Any]:
        await self._places.acquire()
        file = _File(kind, content)
        task = asyncio.create_task(self._decode(file))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            file.is_late = True
            if file.is_begun:  # otherwise a decoder is only being started, and the next file will have it
                asyncio.get_running_loop().call_later(LATE_GRACE_S, task.cancel)
            raise

    def _forget(self, task: asyncio.Task[Features[Any]]) -> None:
        self._tasks.discard(task)
        self._places.release()
        if not task.cancelled():
            task.exception()  # read, since nobody else may

    async def _decode(self, file: _File) -> Features[Any]:
        """Decode on a decoder that is idle, or new; one that failed is not used again."""
        decoder = self._idle.pop() if self._idle else await Decoder.start(self._config, self._memory)
        if file.is_late:
            self._idle.append(decoder)
            raise MediaInvalid("decoder", "not decoded in time")
        file.is_begun = True
        self._busy.add(decoder)
        sound = False
        try:
            async with asyncio.timeout(self._config.wall_s):
                features = await decoder.decode(file.kind, file.content)
            sound = True
        except _TooLarge:
            raise
        except MediaInvalid:
            sound = True
            raise
        except TimeoutError as error:
            raise MediaInvalid("decoder", "takes too long to decode") from error
        except _Ended as error:
            detail = await decoder.describe_end()
            logger.warning("a file of %d bytes %s", len(file.content), detail)
            raise MediaInvalid("decoder", detail) from error
        except wire.BadAnswer as error:
            logger.error("a decoder gave %s after a file of %d bytes", error, len(file.content))
            raise MediaInvalid("decoder", "crashed its decoder") from error
        finally:
            self._busy.discard(decoder)
            if sound and decoder.n_files < MAX_FILES:
                self._idle.append(decoder)
            else:
                await decoder.end()
        return features
