"""The worker's side of the transcriber: one process, one sound at a time, killed when late."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sluice.children import start_child, write_in_pieces
from sluice.config import SpeechConfig
from sluice.decoding import wire
from sluice.errors import PartFailed
from sluice.speech.transcript import Segment, read_segments

logger = logging.getLogger(__name__)

_START_S = 120.0
_MAX_ANSWER_BYTES = 2**20


class SpeechUnread(PartFailed):
    """Somebody speaks, and it could not be transcribed."""

    def __init__(self, detail: str) -> None:
        super().__init__("speech", f"speech is not read: {detail}")


class _Ended(Exception):
    """The process is no more, or answers what it should not."""


class _Transcriber:
    """One child process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, folder: Path, config: SpeechConfig) -> _Transcriber:
        """Start it and wait until the model is loaded."""
        arguments = (str(folder), str(config.memory_bytes), str(config.cpu_s))
        process = await start_child("sluice.speech.child", *arguments, niceness=5)
        transcriber = cls(process)
        try:
            async with asyncio.timeout(_START_S):
                await transcriber._hear()
        except BaseException:
            await transcriber.end()
            raise
        return transcriber

    @property
    def pid(self) -> int:
        return self._process.pid

    async def end(self) -> None:
        """End it, whatever it does."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def transcribe(self, samples: npt.NDArray[np.int16]) -> list[Segment]:
        """See `Listener.transcribe`; raises `_Ended` where the process is not to be used again."""
        stdin, body = self._process.stdin, samples.tobytes()
        if stdin is None or stdin.is_closing():
            raise _Ended("closed its pipe")
        try:
            stdin.write(wire.HEADER.pack(wire.AUDIO, len(body)))
            await write_in_pieces(stdin, body)
        except ConnectionError as error:
            raise _Ended("closed its pipe") from error
        kind, answer = await self._hear()
        if kind != wire.FEATURES:
            logger.error("a clip could not be transcribed: %s", answer[:4096].decode(errors="replace"))
            raise _Ended("failed")
        try:
            return read_segments(answer)
        except ValueError as error:
            raise _Ended("gave no transcript") from error

    async def _hear(self) -> tuple[bytes, bytes]:
        stdout = self._process.stdout
        if stdout is None:
            raise _Ended("has no pipe")
        try:
            kind, n_bytes = wire.HEADER.unpack(await stdout.readexactly(wire.HEADER.size))
            if n_bytes > _MAX_ANSWER_BYTES:
                raise _Ended(f"gave {n_bytes} bytes")
            return kind, await stdout.readexactly(n_bytes)
        except asyncio.IncompleteReadError as error:
            raise _Ended("ended") from error


class Listener:
    """Transcribes speech, one sound after another; made and used inside one event loop.

    Parameters
    ----------
    folder : Path
        See `prepare_weights`.
    config : SpeechConfig
    """

    def __init__(self, folder: Path, config: SpeechConfig) -> None:
        self._folder = folder
        self._config = config
        self._turn = asyncio.Lock()
        self._ready: _Transcriber | None = None

    async def __aenter__(self) -> Listener:
        """Have the model loaded; raises `SpeechUnread` if that fails."""
        self._ready = await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the process."""
        if self._ready is not None:
            await self._ready.end()
            self._ready = None

    async def _start(self) -> _Transcriber:
        try:
            return await _Transcriber.start(self._folder, self._config)
        except (_Ended, TimeoutError) as error:
            raise SpeechUnread("the transcriber does not start") from error

    @property
    def pid(self) -> int | None:
        """Process id of the transcriber that waits for work."""
        return self._ready.pid if self._ready else None

    async def transcribe(self, samples: npt.NDArray[np.int16]) -> list[Segment]:
        """What is said.

        Whoever stops waiting ends the transcription: the next one is not to wait for what nobody reads.

        Parameters
        ----------
        samples : ndarray of int16, shape = (n,)
            16 kHz.

        Raises
        ------
        SpeechUnread
            It takes too long, or the transcriber crashed.
        """
        async with self._turn, self._held() as transcriber:
            try:
                async with asyncio.timeout(self._config.wall_s):
                    return await transcriber.transcribe(samples)
            except TimeoutError as error:
                raise SpeechUnread("it takes too long") from error

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[_Transcriber]:
        """A transcriber, kept for the next sound unless something goes wrong with this one."""
        transcriber, self._ready = self._ready or await self._start(), None
        try:
            yield transcriber
            self._ready = transcriber
        except _Ended as error:
            logger.warning("the transcriber %s", error)
            raise SpeechUnread("it crashed the transcriber") from error
        finally:
            if self._ready is not transcriber:
                await transcriber.end()
