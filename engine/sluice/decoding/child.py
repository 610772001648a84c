"""A decoder: reads one file after another from its standard input, answers on its standard output.

Started by `sluice.decoding.pool` as ``python -m sluice.decoding.child IDLE_BYTES CPU_S``; imports nothing but what
decoding needs.
"""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

from sluice.children import confine, set_soft, trim_heap
from sluice.decoding import wire
from sluice.errors import PartFailed
from sluice.features import Features, Reserve
from sluice.features.audio import extract_audio, extract_audio_and_speech, warm_up
from sluice.features.image import (
    extract_image,
    extract_image_and_pages,
    extract_image_and_prints,
    extract_image_pages_and_prints,
)

TRIM_EVERY = 50
SMALL_BYTES = 64 * 2**20
"""A file that takes no more is decoded without asking: a photograph of a phone is decoded at an eighth."""
_MAX_FILES = 64
_EXTRACTORS: dict[bytes, Callable[[bytes, Reserve], Features[Any]]] = {
    wire.IMAGE: extract_image,
    wire.IMAGE_AND_PAGES: extract_image_and_pages,
    wire.IMAGE_AND_PRINTS: extract_image_and_prints,
    wire.IMAGE_PAGES_AND_PRINTS: extract_image_pages_and_prints,
    wire.AUDIO: extract_audio,
    wire.AUDIO_AND_SPEECH: extract_audio_and_speech,
}


class Decoder:
    """Decodes what comes in, and asks for memory before it takes much.

    Parameters
    ----------
    idle_bytes : int
        Of data that the process may have without asking.
    cpu_s : float
        Processor time for one file.
    """

    def __init__(self, source: BinaryIO, sink: BinaryIO, idle_bytes: int, cpu_s: float) -> None:
        self._source = source
        self._sink = sink
        self._idle_bytes = idle_bytes
        self._cpu_s = cpu_s

    def run(self) -> None:
        """Decode until the other end closes the pipe."""
        self._say(wire.GRANTED)  # ready
        n_files = 0
        while header := self._source.read(wire.HEADER.size):
            kind, n_bytes = wire.HEADER.unpack(header)
            self._limit(0)
            self._say(*self._decode(kind, self._source.read(n_bytes)))
            n_files += 1
            if n_files % TRIM_EVERY == 0:
                trim_heap()

    def _decode(self, kind: bytes, content: bytes) -> tuple[bytes, bytes]:
        try:
            return wire.FEATURES, wire.write_features(_EXTRACTORS[kind](content, self._reserve))
        except PartFailed as error:
            return wire.FAILURE, wire.write_failure(error.reason, error.detail)
        except MemoryError:
            return wire.FAILURE, wire.write_failure("bomb", "needs too much memory to be decoded")
        except Exception as error:
            place = "".join(traceback.format_tb(error.__traceback__))  # without the message, which may hold content
            return wire.TRACE, f"{type(error).__name__}\n{place}".encode()

    def _reserve(self, n_bytes: int) -> None:
        """Wait until the worker lets this process have so much more; it ends this process instead if it never will."""
        if n_bytes <= SMALL_BYTES:
            return
        self._say(wire.WANTED, wire.COUNT.pack(n_bytes))
        self._source.read(wire.HEADER.size)
        self._limit(n_bytes)

    def _limit(self, n_granted: int) -> None:
        set_soft(resource.RLIMIT_DATA, self._idle_bytes + n_granted)
        set_soft(resource.RLIMIT_CPU, int(_cpu_used_s() + self._cpu_s) + 1)

    def _say(self, kind: bytes, body: bytes = b"") -> None:
        self._sink.write(wire.frame(kind, body))
        self._sink.flush()


def _cpu_used_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Decode files from standard input."""
    idle_bytes, cpu_s = int(sys.argv[1]), float(sys.argv[2])
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    warm_up()
    confine(_MAX_FILES)
    Decoder(sys.stdin.buffer, sink, idle_bytes, cpu_s).run()


if __name__ == "__main__":
    main()
