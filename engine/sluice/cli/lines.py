"""Posts from a file, one JSON object a line, as they are."""

from __future__ import annotations

import itertools
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import typer

STDIN = "-"
CHUNK_BYTES = 256 * 1024

Lines = list[tuple[int, bytes]]
"""Numbers, from 1, and the lines without their ends."""


@contextmanager
def open_lines(name: str) -> Iterator[FileIO]:
    """Open a file, or standard input for ``-``; a file that is not there is a mistake of usage.

    Unbuffered: a buffer would wait until it is full, and a thread that waits in one cannot be left at exit.
    """
    try:
        file = FileIO(0, closefd=False) if name == STDIN else FileIO(name)
    except OSError as error:
        raise typer.BadParameter(f"cannot read {name}: {error.strerror}") from error
    with file:
        yield file


def read_batches(file: FileIO) -> Iterator[Lines]:
    """The lines that are not empty, as many at a time as are there; their ends removed, otherwise untouched."""
    numbers, begun = itertools.count(1), bytearray()
    while chunk := file.read(CHUNK_BYTES):
        first, *more = chunk.split(b"\n")
        begun += first  # alone: to look for its end again with every chunk would take a long line for ever
        if more:
            yield _number([bytes(begun), *more[:-1]], numbers)
            begun = bytearray(more[-1])
    yield _number([bytes(begun)], numbers)


def _number(lines: list[bytes], numbers: Iterator[int]) -> Lines:
    # The lines come first in zip: when they end, no number is lost.
    numbered = ((number, _trim(line, number)) for line, number in zip(lines, numbers, strict=False))
    return [(number, line) for number, line in numbered if line.strip()]


def _trim(line: bytes, number: int) -> bytes:
    """Without its end, and the first without the mark that some editors put before UTF-8."""
    return line.removeprefix(BOM_UTF8 if number == 1 else b"").rstrip(b"\r")


def number_lines(file: FileIO) -> Iterator[tuple[int, bytes]]:
    """The lines of `read_batches`, one at a time."""
    return itertools.chain.from_iterable(read_batches(file))


def count_lines(name: str) -> int | None:
    """How many lines a file will give; None for standard input and pipes, which can be read only once."""
    if name == STDIN or Path(name).is_fifo():
        return None
    with open_lines(name) as file:
        return sum(len(batch) for batch in read_batches(file))
