"""Downloads for a worker: URLs on standard input, bodies on standard output. Started by `sluice.media.downloads`."""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import msgspec

from sluice.bytebudget import ByteBudget, Lease
from sluice.children import confine, write_in_pieces
from sluice.errors import MediaUnavailable, PartFailed
from sluice.media.downloads import BODY, CANCEL, FAILURE, FETCH, HEADER, READY, Failed
from sluice.media.http import HttpFetcher, HttpLimits

_MAX_FILES = 4096
_N_RESOLVERS = 64
"""Names that are looked up at once: each that hangs takes a thread for half a minute."""


class Child:
    """Answers downloads until its input ends."""

    def __init__(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, http: HttpFetcher, total: int) -> None:
        self._source = source
        self._sink = sink
        self._http = http
        self._memory = ByteBudget(total)
        self._turn = asyncio.Lock()
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Take downloads and cancellations."""
        self._sink.write(HEADER.pack(READY, 0, 0))
        while header := await self._source.read(1):
            kind, number, n_bytes = HEADER.unpack(header + await self._source.readexactly(HEADER.size - 1))
            body = await self._source.readexactly(n_bytes)
            if kind == FETCH:
                self._start(number, body.decode("utf-8", "surrogatepass"))
            elif kind == CANCEL and number in self._tasks:
                self._tasks[number].cancel()

    def _start(self, number: int, address: str) -> None:
        task = asyncio.create_task(self._answer(number, address))
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    async def _answer(self, number: int, address: str) -> None:
        async with self._memory.lease() as lease:
            kind, body = await self._fetch(address, lease)
            async with self._turn:  # one body at a time, or they would mix
                self._sink.write(HEADER.pack(kind, number, len(body)))
                await asyncio.shield(write_in_pieces(self._sink, body))

    async def _fetch(self, address: str, lease: Lease) -> tuple[bytes, bytes]:
        try:
            return BODY, await self._http.fetch(address, lease.grow)
        except PartFailed as error:
            return FAILURE, _pack(error)
        except Exception as error:
            return FAILURE, _pack(MediaUnavailable("unreachable", f"the download failed: {type(error).__name__}"))


def _pack(error: PartFailed) -> bytes:
    return msgspec.msgpack.encode(Failed(type(error).__name__, error.reason, error.detail[:200]))


async def _serve(sink_fd: int, limits: HttpLimits, total: int) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_N_RESOLVERS, thread_name_prefix="resolve"))
    source = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(source), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(sink_fd, "wb"))
    sink = asyncio.StreamWriter(transport, protocol, None, loop)
    http = HttpFetcher(limits)
    await Child(source, sink, http, total).run()


def main() -> None:
    """Download for the worker that started this."""
    limits, total = msgspec.json.decode(sys.argv[1], type=tuple[HttpLimits, int])
    sink_fd = os.dup(1)
    os.dup2(2, 1)
    confine(_MAX_FILES)
    asyncio.run(_serve(sink_fd, limits, total))
    os._exit(0)


if __name__ == "__main__":
    main()
