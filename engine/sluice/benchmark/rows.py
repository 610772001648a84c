"""What the readers make of a file, and how they tell what is wrong with it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice.errors import BenchmarkError

MAX_CELL_BYTES = 2**24
"""Longer than any text of these sets; Python's own limit is shorter than some."""


@dataclass(frozen=True, slots=True)
class Row:
    """One text of a set.

    Attributes
    ----------
    truth : dict of str to bool
        By category; a category that is missing was not annotated.
    group : str
        What the set files the text under: a function, a type, a class; may be empty.
    language : str
        As a set of several languages calls it; else empty.
    """

    text: str
    truth: Mapping[str, bool] = field(default_factory=dict)
    group: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, as errors name it."""

    file: str
    line: int

    def wrong(self, column: str, problem: str) -> BenchmarkError:
        """What is wrong with a value; the value itself is not shown, since it may be anything."""
        return BenchmarkError(f"{self.file}:{self.line}: {column}: {problem}")


Cells = Mapping[str, Any]


def read_table(file: Path, columns: Sequence[str]) -> Iterator[tuple[Place, Cells]]:
    """Rows of a CSV file with a heading; more columns than wanted are ignored.

    Raises
    ------
    BenchmarkError
        Naming the file, the line, and the column that is missing.
    """
    with _large_cells():
        rows = list(_read_rows(file, columns))
    yield from rows


@contextmanager
def _large_cells() -> Iterator[None]:
    """The limit is one of the whole process; others count on the usual one."""
    usual_bytes = csv.field_size_limit(MAX_CELL_BYTES)
    try:
        yield
    finally:
        csv.field_size_limit(usual_bytes)


def _read_rows(file: Path, columns: Sequence[str]) -> Iterator[tuple[Place, Cells]]:
    reader = csv.DictReader(io.StringIO(_read(file), newline=""), strict=True)
    n_read = 0
    try:
        heading = reader.fieldnames or []
        if missing := [column for column in columns if column not in heading]:
            raise BenchmarkError(f"{file}:1: column {missing[0]} is missing; there are {', '.join(map(str, heading))}")
        for cells in reader:
            place, n_read = Place(str(file), reader.line_num), reader.line_num
            for column in columns:
                if cells[column] is None:
                    raise place.wrong(column, "the line ends before it")
            yield place, cells
    except csv.Error as error:
        raise BenchmarkError(f"{file}:{n_read + 1}: not CSV: {error}") from error


def read_lines(file: Path, keys: Sequence[str]) -> Iterator[tuple[Place, Cells]]:
    """Objects of a JSON file with one per line, packed with gzip or not; raises `BenchmarkError`."""
    for number, line in enumerate(_read(file).split("\n"), 1):
        if line.strip():
            place = Place(str(file), number)
            try:
                found = json.loads(line)
            except json.JSONDecodeError as error:
                raise BenchmarkError(f"{file}:{number}:{error.colno}: not JSON: {error.msg}") from error
            yield place, _require(found, keys, place)


def read_array(file: Path, keys: Sequence[str]) -> Iterator[tuple[Place, Cells]]:
    """Objects of a JSON file that holds one array; a place's line is the object's number. Raises `BenchmarkError`."""
    try:
        found = json.loads(_read(file))
    except json.JSONDecodeError as error:
        raise BenchmarkError(f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    if not isinstance(found, list):
        raise BenchmarkError(f"{file}:1: an array of objects is wanted")
    for number, each in enumerate(found, 1):
        place = Place(f"{file}: object", number)
        yield place, _require(each, keys, place)


def _require(found: object, keys: Sequence[str], place: Place) -> Cells:
    if not isinstance(found, dict):
        raise BenchmarkError(f"{place.file}:{place.line}: an object is wanted")
    for key in keys:
        if not isinstance(found.get(key), str):
            raise place.wrong(key, "a string is wanted")
    return found


def read_flag(place: Place, cells: Cells, column: str, values: Mapping[str, bool]) -> bool:
    """A cell that says yes or no; raises `BenchmarkError`, which names what it may say."""
    value = str(cells[column]).strip()
    if value not in values:
        raise place.wrong(column, f"neither {' nor '.join(values)}")
    return values[value]


def _read(file: Path) -> str:
    try:
        raw = file.read_bytes()
        return (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{file}: {error}") from error
