"""What an earlier ``sluice score`` has written already, so that a later one goes on behind it."""

from __future__ import annotations

import os
from collections import Counter
from io import FileIO
from pathlib import Path

import msgspec
import typer

from sluice.errors import InvalidPost
from sluice.schema import decode_post

CHUNK_BYTES = 1024 * 1024
_BEGINNINGS = (b'{"post_id":', b'{"dead_letter":')


class _Letter(msgspec.Struct):
    line: int | None = None


class _Line(msgspec.Struct):
    """Either is there: a verdict's post, or a dead letter's line."""

    post_id: str | None = None
    dead_letter: _Letter | None = None


class PreviousOutcomes:
    """The outcomes in a file, each good for one line of the posts.

    Attributes
    ----------
    n_lines : int
        Outcomes in the file.
    n_known : int
        Lines of the posts that had theirs, so far.
    """

    def __init__(self) -> None:
        self._posts: Counter[str] = Counter()
        self._lines: set[int] = set()
        self._decode = msgspec.json.Decoder(_Line).decode
        self.n_lines = self.n_known = 0

    def add(self, outcome: bytes) -> None:
        """Note one line of the file; raises `msgspec.DecodeError` if it is none of ours."""
        line = self._decode(outcome)
        if line.post_id is not None:
            self._posts[line.post_id] += 1
        elif line.dead_letter is not None and line.dead_letter.line is not None:
            self._lines.add(line.dead_letter.line)
        else:
            raise msgspec.DecodeError("neither a verdict nor a dead letter with its line")
        self.n_lines += 1

    def has(self, number: int, line: bytes) -> bool:
        """Whether the file has the outcome of this line of the posts; each outcome counts once."""
        known = number in self._lines if (post_id := _post_id(line)) is None else self._posts[post_id] > 0
        if known and post_id is not None:
            self._posts[post_id] -= 1
        self.n_known += known
        return known


def _post_id(line: bytes) -> str | None:
    try:
        return decode_post(line).id
    except InvalidPost:
        return None


def open_previous(path: Path) -> tuple[FileIO, PreviousOutcomes]:
    """Open a file of outcomes to write behind them; one that is not there is made. A line that was cut off goes.

    Raises
    ------
    typer.BadParameter
        It cannot be written, or holds something else; names the line.
    """
    try:
        file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
    except OSError as error:
        raise typer.BadParameter(f"cannot write {path}: {error.strerror}", param_hint="--resume") from error
    previous, number, end, begun = PreviousOutcomes(), 0, 0, bytearray()
    while chunk := file.read(CHUNK_BYTES):
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            number += 1
            whole = bytes(begun + line)
            begun.clear()
            end += len(whole) + 1
            _add(previous, whole, path, number)
        begun += rest
    _check_rest(bytes(begun), path, number + 1)
    file.truncate(end)
    file.seek(end)
    return file, previous


def _check_rest(rest: bytes, path: Path, number: int) -> None:
    """Only what was one of our lines is cut off: anything else is somebody's file."""
    begun = rest.rstrip(b"\0")  # what a machine that lost its power may leave
    if not any(begun.startswith(each) or each.startswith(begun) for each in _BEGINNINGS):
        raise typer.BadParameter(f"{path}:{number} is no line that sluice score writes", param_hint="--resume")


def _add(previous: PreviousOutcomes, line: bytes, path: Path, number: int) -> None:
    if not line.strip():
        return
    try:
        previous.add(line)
    except msgspec.DecodeError as error:
        raise typer.BadParameter(
            f"{path}:{number} is no line that sluice score writes: {error}", param_hint="--resume"
        ) from error
