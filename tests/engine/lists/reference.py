"""What lists find, written down as plainly as can be: every entry, at every place, one after the other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sluice.features.folding import prepare
from sluice.features.markup import undo_markup
from sluice.features.normalisation import normalise
from sluice.lists.entries import Entry, Match

UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff]")


def find(
    lists: Mapping[str, Sequence[Entry]], text: str, author: str | None, now: datetime
) -> set[tuple[str, str, str, int]]:
    """List, kind, value and first place of every entry that stands; -1 for an author."""
    found = [
        Match(name, entry, *place)
        for name, entries in lists.items()
        for entry in entries
        if entry.expires is None or entry.expires > now
        for place in _places(entry, text, author)
    ]
    kept = [one for one in found if one.entry.action == "allow" or not any(_takes_back(other, one) for other in found)]
    firsts: dict[tuple[str, str, str], int] = {}
    for one in kept:
        key, place = (one.name, one.entry.kind, one.entry.value), -1 if one.start is None else one.start
        firsts[key] = min(place, firsts.get(key, place))
    return {(*key, place) for key, place in firsts.items()}


def _takes_back(allowed: Match, blocked: Match) -> bool:
    if allowed.entry.action != "allow":
        return False
    if allowed.start is None or blocked.start is None:
        return allowed.start is None and blocked.start is None
    assert allowed.end is not None
    assert blocked.end is not None
    if allowed.is_link and blocked.is_link:
        same = (allowed.start, allowed.end) == (blocked.start, blocked.end)
        return same and len(allowed.entry.value) >= len(blocked.entry.value)
    return allowed.start <= blocked.start and blocked.end <= allowed.end


def _places(entry: Entry, text: str, author: str | None) -> Iterator[tuple[int | None, int | None]]:
    match entry.kind:
        case "author":
            yield from [(None, None)] * (author == entry.value)
        case "word" | "phrase":
            yield from _term(entry.value, text)
        case "regex":
            yield from _pattern(entry.value, text)
        case "domain" | "url":
            yield from _site(entry, text)


def _term(value: str, text: str) -> Iterator[tuple[int, int]]:
    wanted, (read, origin) = prepare(value)[0].casefold().strip(), prepare(text)
    small, places = "", []
    for place, character in enumerate(read):
        small += character.casefold()
        places += [place] * len(character.casefold())
    for start in range(len(small)):
        end = start + len(wanted)
        if small[start:end] == wanted and _free(small, start) and _free(small, end):
            origins = [int(origin[place]) for place in places[start:end]]
            after = int(origin[places[end]]) if end < len(small) else len(text)
            yield min(origins), max(after, max(origins) + 1)


def _free(text: str, place: int) -> bool:
    """Whether no word goes on over a place."""
    around = text[place - 1 : place + 1] if place else ""
    letters = [unicodedata.category(one)[0] in "LNM" or one == "_" for one in around]
    return len(around) < 2 or not all(letters) or any(UNSPACED.match(one) for one in around)


def _pattern(value: str, text: str) -> Iterator[tuple[int, int]]:
    read, origin = prepare(text)
    for found in re.finditer(value, read, re.IGNORECASE):
        if found.end() > found.start():
            origins = [int(each) for each in origin[found.start() : found.end()]]
            yield min(origins), max(int(origin[found.end()]), max(origins) + 1)


def _site(entry: Entry, text: str) -> Iterator[tuple[int, int]]:
    """Over words between spaces: each has one address at most, as the texts of the tests have them."""
    shown, outer = undo_markup(text)
    read, inner = normalise(shown)
    wanted, _, path = entry.value.partition("/")
    for word in re.finditer(r"\S+", read):
        scheme, _, rest = word[0].rpartition("://")
        host, _, below = rest.partition("/")
        bare = host.partition(":")[0].lower()
        if "." not in bare or scheme not in ("", "http", "https"):
            continue
        is_below = f"/{below}" == f"/{path}" or any(f"/{below}".startswith(f"/{path}{sign}") for sign in "/?#")
        if (bare == wanted or bare.endswith(f".{wanted}")) and (not path or is_below):
            yield int(outer[inner[word.start()]]), int(outer[inner[word.end()]])
