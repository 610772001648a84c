"""The transcriber: reads one sound after another from its standard input, answers on its standard output.

Started by `sluice.speech.listener` as ``python -m sluice.speech.child FOLDER MEMORY_BYTES CPU_S``.
"""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from sluice.children import confine, read_data_bytes, set_soft
from sluice.decoding import wire
from sluice.speech.transcript import Segment, write_segments

_MAX_FILES = 64
Transcribe = Callable[[npt.NDArray[np.int16]], list[Segment]]


def serve(source: BinaryIO, sink: BinaryIO, transcribe: Transcribe, cpu_s: float) -> None:
    """Transcribe until the other end closes the pipe."""
    _say(sink, wire.GRANTED)  # ready
    while header := source.read(wire.HEADER.size):
        _, n_bytes = wire.HEADER.unpack(header)
        _limit_cpu(cpu_s)
        _say(sink, *_answer(transcribe, source.read(n_bytes)))


def _answer(transcribe: Transcribe, body: bytes) -> tuple[bytes, bytes]:
    try:
        return wire.FEATURES, write_segments(transcribe(np.frombuffer(body, np.int16)))
    except Exception as error:
        place = "".join(traceback.format_tb(error.__traceback__))  # without the message, which may hold content
        return wire.TRACE, f"{type(error).__name__}\n{place}".encode()


def _say(sink: BinaryIO, kind: bytes, body: bytes = b"") -> None:
    sink.write(wire.frame(kind, body))
    sink.flush()


def _limit_cpu(cpu_s: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    set_soft(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + cpu_s) + 1)


def main() -> None:
    """Transcribe sounds from standard input."""
    folder, memory_bytes, cpu_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    from sluice.speech.recogniser import Recogniser

    recogniser = Recogniser(folder)
    confine(_MAX_FILES)
    set_soft(resource.RLIMIT_DATA, read_data_bytes() + memory_bytes)
    serve(sys.stdin.buffer, sink, recogniser.transcribe, cpu_s)


if __name__ == "__main__":
    main()
