"""Posts from a file, one JSON object a line, as they are."""

from __future__ import annotations

import itertools
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
    numbers, tail = itertools.count(1), b""
    while chunk := file.read(CHUNK_BYTES):
        *whole, tail = (tail + chunk).split(b"\n")
        yield _number(whole, numbers)
    yield _number([tail], numbers)


def _number(lines: list[bytes], numbers: Iterator[int]) -> Lines:
    # The lines come first in zip: when they end, no number is lost.
    return [(number, line.rstrip(b"\r")) for line, number in zip(lines, numbers, strict=False) if line.strip()]


def number_lines(file: FileIO) -> Iterator[tuple[int, bytes]]:
    """The lines of `read_batches`, one at a time."""
    return itertools.chain.from_iterable(read_batches(file))


def count_lines(name: str) -> int | None:
    """How many lines a file will give; None for standard input and pipes, which can be read only once."""
    if name == STDIN or Path(name).is_fifo():
        return None
    with open_lines(name) as file:
        return sum(len(batch) for batch in read_batches(file))
