"""Spans of a text drawn out to whole words."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

MAX_WORD = 64
"""Characters that a span grows by on either side at most: what is longer is no word."""
_EAST = ((0x2E80, 0x2FDF), (0x3005, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
_SOUTH_EAST = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF))
"""Han and kana, and Thai, Lao, Burmese and Khmer: nothing stands between their words, so a span ends where it ends."""


def widen_to_words(text: str, start: int, end: int) -> tuple[int, int]:
    """A span with all of the words that it begins and ends in, and without spaces and punctuation around them.

    A span of punctuation alone stays one; a span of nothing but spaces is empty.

    Examples
    --------
    >>> widen_to_words("so unbelievable!", 5, 9)
    (3, 15)
    """
    start, end = _trim(text, *_trim(text, start, end, "Z"), "ZP")
    if start == end:
        return start, end
    first, last = max(0, start - MAX_WORD), min(len(text), end + MAX_WORD)
    while start > first and _are_one_word(text[start - 1], text[start]):
        start -= 1
    while end < last and _are_one_word(text[end - 1], text[end]):
        end += 1
    return _trim(text, start, end, "ZP")


def _trim(text: str, start: int, end: int, categories: str) -> tuple[int, int]:
    """A span without characters of some categories around it, unless it has no other ones but white space."""
    inner_start, inner_end = start, end
    while inner_start < inner_end and _is_one_of(text[inner_start], categories):
        inner_start += 1
    while inner_start < inner_end and _is_one_of(text[inner_end - 1], categories):
        inner_end -= 1
    return (inner_start, inner_end) if inner_start < inner_end or categories == "Z" else (start, end)


def _is_one_of(character: str, categories: str) -> bool:
    return unicodedata.category(character)[0] in categories or ("Z" in categories and character.isspace())


def _are_one_word(before: str, after: str) -> bool:
    return _is_of_a_word(before) and _is_of_a_word(after)


@lru_cache(maxsize=4096)
def _is_of_a_word(character: str) -> bool:
    """Whether it stands inside words that have spaces around them; unseen characters and apostrophes do."""
    if any(low <= ord(character) <= high for low, high in _EAST + _SOUTH_EAST):
        return False
    return character in "'’" or unicodedata.category(character)[0] in "LMN" or unicodedata.category(character) == "Cf"
