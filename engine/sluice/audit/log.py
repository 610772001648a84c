"""The log as files: for each partition of each topic, and each day, files that are written once.

``<topic>/<partition>/<day>/<first offset>.jsonl.gz`` or ``.parquet`` holds the chain, ``private/`` before the first of
these names what can be erased. The private file is written first: a process that is killed between them leaves one
without a chain, which is written anew.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeVar

import msgspec

from sluice.audit.archive import Archive
from sluice.audit.columns import read_table, require_arrow, write_table
from sluice.audit.records import FIRST, Body, Line, Private, make_line, read_lines, read_privates, write_lines
from sluice.client.messages import Place
from sluice.errors import AuditError

PRIVATE = "private/"
ERASURES = "erasures"
"""The chain of what was erased, as if it were a topic of one partition."""

Form = Literal["jsonl", "parquet"]
"""Of the files of the chains; private parts, which are rewritten, are JSON lines."""

ENDINGS: dict[Form, str] = {"jsonl": ".jsonl.gz", "parquet": ".parquet"}
_FILE = re.compile(r"(?!private/)([^/]+/[0-9]{1,9}/[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{20})\.(?:jsonl\.gz|parquet)")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain.

    Attributes
    ----------
    offset : int
        Of the last message in it, -1 without one.
    file : str
        The name of the one that it lies in; empty without one.
    """

    offset: int = -1
    hash: str = FIRST
    file: str = ""

    @property
    def day(self) -> str:
        """Of the file, such as ``2026-11-28``; empty without one."""
        return self.file.split("/")[-2] if self.file else ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a message comes to, before it has a place in a chain: a body without ``prev``, and the private part."""

    body: Body
    private: Private | None = None


class AuditLog:
    """Reads and writes the files of a log.

    Parameters
    ----------
    archive : Archive
    form : str or None
        Of what is written; None for that of what is there. A log may hold both.

    Raises
    ------
    SettingsError
        The extra for Parquet is not installed.
    """

    def __init__(self, archive: Archive, form: Form | None = None) -> None:
        self.archive = archive
        self._form = form
        if form == "parquet":
            require_arrow()

    def _find_form(self) -> Form:
        """Of what is to be written."""
        if self._form is None:
            has_tables = any(name.endswith(ENDINGS["parquet"]) for name in self.archive.names(""))
            self._form = "parquet" if has_tables else "jsonl"
        return self._form

    def places(self) -> list[Place]:
        """The partitions that there are chains of."""
        return sorted({place_of(name) for name in self.archive.names("") if _FILE.fullmatch(name)})

    def strays(self) -> list[str]:
        """Files that are no part of a log."""
        names = (name.removeprefix(PRIVATE) for name in self.archive.names(""))
        return [name for name in names if not _FILE.fullmatch(name)]

    def orphans(self) -> list[str]:
        """The names of files of which there is a private part alone."""
        there = self.archive.names("")
        chained = {found[1] for name in there if (found := _FILE.fullmatch(name))}
        privates = (name.removeprefix(PRIVATE) for name in there if name.startswith(PRIVATE))
        return sorted(name for name in privates if (found := _FILE.fullmatch(name)) and found[1] not in chained)

    def files(self, place: Place) -> list[str]:
        """The names of a chain's files, in the order of their offsets, which is that of their names' last parts."""
        topic, number = place
        names = [name for name in self.archive.names(f"{topic}/{number}/") if _FILE.fullmatch(name)]
        return sorted(names, key=lambda name: name.rpartition("/")[2])

    def head(self, place: Place) -> Head:
        """Where a chain ends."""
        files = self.files(place)
        if not files:
            return Head()
        last = self.read_file(files[-1])[-1]
        return Head(read_body(last, files[-1]).offset, last.hash, files[-1])

    def read_file(self, name: str) -> list[Line]:
        """The lines of one file; raises `AuditError` if it cannot be read."""
        is_table = name.endswith(ENDINGS["parquet"])
        lines = self._read(name, read_table if is_table else lambda raw: read_lines(gzip.decompress(raw)))
        if not lines:
            raise AuditError(f"{name}: the file is missing or empty")
        return lines

    def read_private(self, name: str) -> dict[int, Private]:
        """The private parts beside one file, by offset; raises `AuditError` if they cannot be read."""
        privates = self._read(_private_name(name), lambda raw: read_privates(gzip.decompress(raw)))
        return {private.offset: private for private in privates}

    def _read(self, name: str, decode: Callable[[bytes], list[T]]) -> list[T]:
        raw = self.archive.read(name)
        try:
            return decode(raw) if raw else []
        except AuditError as error:
            raise AuditError(f"{name}: {error}") from error
        except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
            raise AuditError(f"{name}: the file cannot be read: {type(error).__name__}") from error

    def write(self, place: Place, head: Head, entries: Sequence[Entry], today: str) -> Head:
        """Add entries to the end of a chain; returns where it ends then."""
        first = entries[0].body
        day = max(head.day, min(_day_of(first.at_ms), today))  # days go forwards, whatever producers' clocks say
        form = self._find_form()
        name = f"{place[0]}/{place[1]}/{day}/{first.offset:020d}{ENDINGS[form]}"
        lines = list(_chain(head.hash, entries))
        self.write_private(name, [entry.private for entry in entries if entry.private])
        self.archive.write(name, write_table(lines) if form == "parquet" else _pack(lines))
        return Head(entries[-1].body.offset, lines[-1].hash, name)

    def write_private(self, name: str, privates: list[Private]) -> None:
        """Put private parts beside a file, in place of those that are there; without any there is no file."""
        name = _private_name(name)
        if privates:
            self.archive.write(name, _pack(privates))
        elif self.archive.read(name) is not None:
            self.archive.remove(name)

    def drop_orphans(self) -> None:
        """Take away private parts whose chain was never written: their messages are still to be read."""
        for name in self.orphans():
            self.archive.remove(PRIVATE + name)


def _private_name(name: str) -> str:
    """Where the private parts of a file lie."""
    found = _FILE.fullmatch(name)
    return f"{PRIVATE}{found[1] if found else name}{ENDINGS['jsonl']}"


def _pack(lines: list[Line] | list[Private]) -> bytes:
    return gzip.compress(write_lines(lines), 6, mtime=0)


def place_of(name: str) -> Place:
    """Whose chain a file is of."""
    topic, number, *_ = name.split("/")
    return topic, int(number)


def read_body(line: Line, name: str) -> Body:
    """The body of a line of a file; raises `AuditError` if it is none."""
    try:
        return line.read()
    except (ValueError, RecursionError) as error:
        raise AuditError(f"{name}: a record cannot be read") from error


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
