"""Reads lists from files: one JSON object a line, a list a file."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from pathlib import Path

import msgspec

from sluice.errors import ListError
from sluice.lists.entries import MAX_CHARS, Entry
from sluice.lists.links import parse_site
from sluice.lists.patterns import MAX_PATTERNS, compile_pattern
from sluice.lists.terms import spell

_DECODER = msgspec.json.Decoder(Entry)


def read_list(path: Path) -> list[Entry]:
    """The entries of a file, each of which can be looked for.

    Blank lines, and lines that begin with ``#``, are left out. What stands twice is an error.

    Raises
    ------
    ListError
        The file cannot be read, or a line is no entry; names file and line.
    """
    try:
        return read_entries(path.read_bytes(), str(path))
    except OSError as error:
        raise ListError(f"{path}: cannot be read: {error.strerror}") from error


def read_entries(content: bytes, where: str) -> list[Entry]:
    """The same of a file's content; `where` is what errors call it. Raises `ListError`."""
    entries: dict[tuple[str, str], int] = {}
    found: list[Entry] = []
    for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
        if line.strip() and not line.startswith(b"#"):
            entry = _read_entry(line, f"{where}:{number}")
            if (before := entries.setdefault((entry.kind, entry.value), number)) != number:
                raise ListError(f"{where}:{number}: the same {entry.kind} stands in line {before}")
            found.append(entry)
    limit_patterns(where, found)
    return found


def read_lists(paths: Iterable[Path]) -> dict[str, list[Entry]]:
    """Lists by the names of their files, without the ending; raises `ListError` for two of one name too."""
    lists: dict[str, list[Entry]] = {}
    for path in paths:
        if path.stem in lists:
            raise ListError(f"{path}: there is another list called {path.stem}")
        lists[path.stem] = read_list(path)
    return lists


def list_files(path: Path) -> list[Path]:
    """The lists of a folder, by name; a file is one itself."""
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.glob("*.jsonl") if not each.name.startswith("."))


def _read_entry(line: bytes, place: str) -> Entry:
    try:
        entry = _DECODER.decode(line)
        check_entry(entry)
    except (msgspec.DecodeError, UnicodeDecodeError, ListError) as error:
        raise ListError(f"{place}: {error}") from error
    return entry


def check_entry(entry: Entry) -> None:
    """Raise `ListError` for an entry that cannot be looked for."""
    if not 0 < len(entry.value) <= MAX_CHARS:
        raise ListError(f"a value has 1 to {MAX_CHARS} characters")
    if entry.expires is not None and entry.expires.tzinfo is None:
        raise ListError("expires has no time zone: end it with Z")
    match entry.kind:
        case "word" | "phrase":
            _check_words(entry)
        case "regex":
            compile_pattern(entry.value)
        case "domain" | "url":
            parse_site(entry.value, entry.kind == "url")


def _check_words(entry: Entry) -> None:
    spelled = spell(entry.value)
    if entry.kind == "phrase" and " " not in spelled:
        raise ListError("a phrase has several words")
    if entry.kind == "word" and " " in spelled and " " in entry.value.strip():  # a pictograph is spelled as its name
        raise ListError("a word has no space: make it a phrase")


def limit_patterns(where: str, entries: Iterable[Entry]) -> None:
    """Raise `ListError` for too many expressions."""
    n_patterns = sum(entry.kind == "regex" for entry in entries)
    if n_patterns > MAX_PATTERNS:
        raise ListError(f"{where}: {n_patterns} expressions are more than {MAX_PATTERNS}")
