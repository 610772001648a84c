"""The log as files: for each partition of each topic, and each day, files that are written once.

``<topic>/<partition>/<day>/<first offset>.jsonl.gz`` holds the chain, ``private/`` before the same name what can be
erased. The private file is written first: a process that is killed between them leaves one without a chain, which is
written anew.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from sluice.audit.archive import Archive
from sluice.audit.records import FIRST, Body, Line, Private, make_line, read_lines, read_privates, write_lines
from sluice.errors import AuditError

PRIVATE = "private/"
ERASURES = "erasures"
"""The chain of what was erased, as if it were a topic of one partition."""

ENDING = ".jsonl.gz"

T = TypeVar("T")

Place = tuple[str, int]
"""A topic and a partition."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain.

    Attributes
    ----------
    offset : int
        Of the last message in it, -1 without one.
    day : str
        Of the file that it lies in, such as ``2026-11-28``; empty without one.
    """

    offset: int = -1
    hash: str = FIRST
    day: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a message comes to, before it has a place in a chain: a body without ``prev``, and the private part."""

    body: Body
    private: Private | None = None


class AuditLog:
    """Reads and writes the files of a log."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    def places(self) -> list[Place]:
        """The partitions that there are chains of."""
        names = (name for name in self.archive.names("") if name.endswith(ENDING) and not name.startswith(PRIVATE))
        return sorted({(topic, int(number)) for topic, number, *_ in (name.split("/") for name in names)})

    def files(self, place: Place) -> list[str]:
        """The names of a chain's files, in the order of their offsets, which is that of their names' last parts."""
        topic, number = place
        names = [name for name in self.archive.names(f"{topic}/{number}/") if name.endswith(ENDING)]
        return sorted(names, key=lambda name: name.rpartition("/")[2])

    def head(self, place: Place) -> Head:
        """Where a chain ends."""
        files = self.files(place)
        if not files:
            return Head()
        last = self.read_file(files[-1])[-1]
        return Head(last.read().offset, last.hash, files[-1].split("/")[-2])

    def read_file(self, name: str) -> list[Line]:
        """The lines of one file; raises `AuditError` if it cannot be read."""
        lines = self._read(name, read_lines)
        if not lines:
            raise AuditError(f"{name}: the file is missing or empty")
        return lines

    def read_private(self, name: str) -> dict[int, Private]:
        """The private parts beside one file, by offset; raises `AuditError` if they cannot be read."""
        return {private.offset: private for private in self._read(PRIVATE + name, read_privates)}

    def _read(self, name: str, decode: Callable[[bytes], list[T]]) -> list[T]:
        raw = self.archive.read(name)
        try:
            return decode(gzip.decompress(raw)) if raw else []
        except (msgspec.DecodeError, OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise AuditError(f"{name}: the file cannot be read: {type(error).__name__}") from error

    def write(self, place: Place, head: Head, entries: Sequence[Entry], today: str) -> Head:
        """Add entries to the end of a chain; returns where it ends then."""
        first = entries[0].body
        day = max(head.day, min(_day_of(first.at_ms), today))  # days go forwards, whatever producers' clocks say
        name = f"{place[0]}/{place[1]}/{day}/{first.offset:020d}{ENDING}"
        lines = list(_chain(head.hash, entries))
        self.write_private(name, [entry.private for entry in entries if entry.private])
        self.archive.write(name, gzip.compress(write_lines(lines), 6, mtime=0))
        return Head(entries[-1].body.offset, lines[-1].hash, day)

    def write_private(self, name: str, privates: list[Private]) -> None:
        """Put private parts beside a file, in place of those that are there; without any there is no file."""
        if privates:
            self.archive.write(PRIVATE + name, gzip.compress(write_lines(privates), 6, mtime=0))
        elif self.archive.read(PRIVATE + name) is not None:
            self.archive.remove(PRIVATE + name)

    def drop_orphans(self) -> None:
        """Take away private parts whose chain was never written: their messages are still to be read."""
        kept = {PRIVATE + name for place in self.places() for name in self.files(place)}
        for name in self.archive.names(PRIVATE):
            if name not in kept:
                self.archive.remove(name)


def _chain(prev: str, entries: Sequence[Entry]) -> Iterator[Line]:
    for entry in entries:
        line = make_line(msgspec.structs.replace(entry.body, prev=prev))
        yield line
        prev = line.hash


def _day_of(at_ms: int) -> str:
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):  # a producer may write any number
        return "1970-01-01"
