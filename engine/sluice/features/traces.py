"""Texts that are changed on the way to a reader, each character with the place in the original that it comes from."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]
Traced = tuple[str, Int32]
"""A text of n characters, and where each of them comes from, shape = (n + 1,); last stands the original's length."""


def trace(text: str) -> Traced:
    """A text that is still as it was."""
    return text, np.arange(len(text) + 1, dtype=np.int32)


def substitute(traced: Traced, pattern: re.Pattern[str], write: Callable[[re.Match[str]], str]) -> Traced:
    """As `re.sub`; what is written comes from what was there, its characters spread evenly over it."""
    text, origin = traced
    pieces: list[str] = []
    origins: list[Int32] = []
    place = 0
    for match in pattern.finditer(text):
        start, end = match.span()
        written = write(match)
        pieces += [text[place:start], written]
        origins += [
            origin[place:start],
            origin[start + np.arange(len(written)) * (end - start) // max(len(written), 1)],
        ]
        place = end
    if not pieces:
        return traced
    return "".join([*pieces, text[place:]]), np.concatenate([*origins, origin[place:]])


def reverse(traced: Traced, pattern: re.Pattern[str]) -> Traced:
    """The first group of each match turned round in place of the match: its characters keep where they come from."""
    text, origin = traced
    order: list[int] = []
    place = 0
    for match in pattern.finditer(text):
        order += [*range(place, match.start()), *reversed(range(*match.span(1)))]
        place = match.end()
    if not place:
        return traced
    order += range(place, len(text))
    return "".join([text[n] for n in order]), np.append(origin[order], origin[-1]).astype(np.int32)


def drop(traced: Traced, ranges: list[tuple[int, int]]) -> Traced:
    """A text without some ranges of characters, which are sorted and may overlap."""
    if not ranges:
        return traced
    text, origin = traced
    kept = np.ones(len(origin), np.bool_)
    pieces, place = [], 0
    for start, end in ranges:
        kept[start:end] = False
        pieces.append(text[place:start])
        place = max(place, end)
    pieces.append(text[place:])
    return "".join(pieces), origin[kept]
