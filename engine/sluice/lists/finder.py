"""Looks for the entries of all lists in a post."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np

from sluice.errors import ListError
from sluice.features.seen import Seen, see
from sluice.features.traces import Int32, Traced
from sluice.lists.allowances import without_allowed
from sluice.lists.entries import Entry, Kind, Match
from sluice.lists.links import Sites, keep_tags, parse_site
from sluice.lists.patterns import Patterns
from sluice.lists.reading import read_letters
from sluice.lists.terms import Terms, spell

Listed = tuple[str, Entry]
"""A list's name, and an entry of it."""
_K = TypeVar("_K", bound=Hashable)
_NUMBERS = count()
"""Of the finders of this process, so that what one found is not taken for what another finds."""


class _Searcher(Protocol):
    def find(self, text: str) -> Iterator[tuple[int, int, int]]: ...


class ListFinder:
    """Finds what lists name.

    Parameters
    ----------
    lists : mapping of str to sequence of Entry
        By name.

    Raises
    ------
    ListError
        An entry cannot be looked for; names its list and its number in it, from 1 on.
    """

    def __init__(self, lists: Mapping[str, Sequence[Entry]]) -> None:
        self._number = next(_NUMBERS)
        self._ends = sorted(entry.expires for entries in lists.values() for entry in entries if entry.expires)
        self._readers: list[_Reader[Any]] = []
        self._authors = _group(lists, ("author",), lambda entry: entry.value)
        terms = _group(lists, ("word", "phrase"), lambda entry: spell(entry.value))
        patterns = _group(lists, ("regex",), lambda entry: entry.value)
        sites = _group(lists, ("domain", "url"), lambda entry: parse_site(entry.value, entry.kind == "url"))
        if terms:
            self._readers.append(_Reader(read_letters, Terms(list(terms)), terms))
        if patterns:
            self._readers.append(_Reader(lambda seen: seen.words, Patterns(list(patterns)), patterns))
        self._sites = _Reader(lambda seen: seen.plain, Sites(list(sites)), sites) if sites else None
        if self._sites is not None:
            self._readers.append(self._sites)

    def find(self, text: str | None, author_id: str | None, now: datetime) -> list[Match]:
        """What a post holds: all that is allowed, and what is blocked and not allowed there. Each entry once.

        Parameters
        ----------
        now : datetime
            With a time zone; what has expired by then is not found.
        """
        found = sorted((match for match in self._look(text or "", author_id) if match.entry.holds(now)), key=_place)
        firsts: dict[Listed, Match] = {}
        for match in without_allowed(found):
            firsts.setdefault((match.name, match.entry), match)
        return list(firsts.values())

    def key(self, author_id: str | None, now: datetime) -> bytes:
        """Equal for two posts with the same text in which the same is found, as far as this process goes."""
        listed = author_id if author_id in self._authors else None
        return msgspec.json.encode((self._number, bisect_right(self._ends, now), listed))

    def _look(self, text: str, author_id: str | None) -> Iterator[Match]:
        yield from (Match(name, entry) for name, entry in self._authors.get(author_id or "", ()))
        seen = see(text)
        for reader in self._readers:
            yield from reader.find(seen)
        if self._sites is not None and "<" in text:  # the address of a link is in its tag, which nobody sees
            yield from self._sites.find_in((keep_tags(text), np.arange(len(text) + 1, dtype=np.int32)))


class _Reader(Generic[_K]):
    """Finds entries of a few kinds in the text as they see it."""

    def __init__(
        self, read: Callable[[Seen], Traced], searcher: _Searcher, listed: Mapping[_K, Sequence[Listed]]
    ) -> None:
        self._read = read
        self._searcher = searcher
        self._listed = list(listed.values())

    def find(self, seen: Seen) -> Iterator[Match]:
        """Each place of each entry in a text."""
        return self.find_in(self._read(seen))

    def find_in(self, traced: Traced) -> Iterator[Match]:
        """The same in a text as it was read."""
        read, origin = traced
        places = _Places(origin)
        for index, start, end in self._searcher.find(read):
            place = places.of(start, end)
            yield from (Match(name, entry, *place) for name, entry in self._listed[index])


class _Places:
    """Where stretches of what was read come from. A text may hold ten thousands of matches, and most hold none."""

    def __init__(self, origin: Int32) -> None:
        self._origin = origin
        self._list: list[int] = []
        self._rises = False

    def of(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original that a stretch comes from, also where letters were turned round."""
        if not self._list:
            self._list = self._origin.tolist()
            self._rises = bool((self._origin[1:] >= self._origin[:-1]).all())
        inside = (self._list[start], self._list[end - 1]) if self._rises else self._list[start:end]
        return min(inside), max(self._list[end], max(inside) + 1)


def _group(
    lists: Mapping[str, Sequence[Entry]], kinds: Iterable[Kind], key: Callable[[Entry], _K]
) -> dict[_K, list[Listed]]:
    """Entries of these kinds by what is looked for: the same value may stand in several lists."""
    found: dict[_K, list[Listed]] = {}
    wanted = frozenset(kinds)
    for name, entries in lists.items():
        for number, entry in enumerate(entries, 1):
            if entry.kind in wanted:
                try:
                    found.setdefault(key(entry), []).append((name, entry))
                except ListError as error:
                    raise ListError(f"{name}, entry {number}: {error}") from error
    return found


def _place(match: Match) -> tuple[int, int]:
    return (-1, -1) if match.start is None or match.end is None else (match.start, match.end)
