"""A TCP link between workers and Triton that can be slow, corrupt or silent."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from enum import StrEnum

from sluice.local.processes import LOOPBACK, RunningInside

CHUNK_BYTES = 64 * 1024
SLOW_S = 0.2
"""Added to every chunk that passes a slow link, in each direction."""
GARBLED_BYTES = 9
"""The header of an HTTP/2 frame (RFC 9113, section 4.1)."""
_LENGTH_BYTES = 3
"""Of those, the ones that say how long the rest of the frame is."""
START_S = 10.0


class LinkMode(StrEnum):
    """What the link does to what passes it."""

    faithful = "faithful"
    slow = "slow"
    corrupt = "corrupt"
    silent = "silent"


class Frames:
    """Where the frames of HTTP/2 begin in what passes, piece by piece."""

    def __init__(self) -> None:
        self._header = b""
        self._n_left = 0

    def find_first(self, chunk: bytes) -> int | None:
        """Offset of the first frame that begins in this chunk, the next one of the stream; None if none does."""
        first, at = None, 0
        while at < len(chunk):
            if not self._n_left and not self._header and first is None:
                first = at
            at += self._pass(chunk[at:])
        return first

    def _pass(self, rest: bytes) -> int:
        """Go over what is left of a frame or its header; returns how many bytes that was."""
        if self._n_left:
            n_bytes = min(self._n_left, len(rest))
            self._n_left -= n_bytes
            return n_bytes
        piece = rest[: GARBLED_BYTES - len(self._header)]
        self._header += piece
        if len(self._header) == GARBLED_BYTES:
            self._n_left, self._header = int.from_bytes(self._header[:_LENGTH_BYTES], "big"), b""
        return len(piece)


class Link(RunningInside):
    """Forwards TCP connections to a server, and can be set to do it badly.

    Parameters
    ----------
    target : str
        ``host:port`` of the server.

    Notes
    -----
    A silent link takes bytes and passes none, without closing: a network that swallows packets. When it speaks again
    it closes the connections that were silent, since what they carried is gone.
    """

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._mode = LinkMode.faithful
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="chaos-link", daemon=True)
        self._listening = threading.Event()
        self._port = 0
        self._silenced: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """``host:port`` to connect to."""
        return f"{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        self._listening.wait(START_S)

    def stop(self) -> None:
        """Close every connection and stop listening."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_S)

    def set_mode(self, mode: LinkMode) -> None:
        """Change what the link does from now on."""
        self._loop.call_soon_threadsafe(self._apply, mode)

    def _apply(self, mode: LinkMode) -> None:
        self._mode = mode
        if mode is not LinkMode.silent:
            for writer in self._silenced:
                writer.close()
            self._silenced.clear()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, LOOPBACK, 0))
        self._port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()
        server.close()
        for task in self._connections:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._connections, return_exceptions=True))
        self._loop.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._forward(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            self._pump(reader, far_writer, may_corrupt=False), self._pump(far_reader, writer, may_corrupt=True)
        )

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may_corrupt: bool) -> None:
        frames = Frames()
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if self._mode is LinkMode.silent:
                    self._silenced.add(writer)
                    continue
                if self._mode is LinkMode.slow:
                    await asyncio.sleep(SLOW_S)
                start = frames.find_first(chunk) if may_corrupt else None
                writer.write(chunk if start is None or self._mode is not LinkMode.corrupt else _garble(chunk, start))
                await writer.drain()
        writer.close()


def _garble(chunk: bytes, start: int) -> bytes:
    """Return the chunk with the bits of a frame's first bytes turned over, where HTTP/2 says what follows.

    Damage inside a number would go unseen: gRPC has no checksum of its own, TCP and TLS have one below it.
    """
    end = start + GARBLED_BYTES
    return chunk[:start] + bytes(byte ^ 0xFF for byte in chunk[start:end]) + chunk[end:]
