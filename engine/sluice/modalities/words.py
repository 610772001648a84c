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
    """A span without white space around it, and with all of the words that it begins and ends in.

    Examples
    --------
    >>> widen_to_words("so unbelievable!", 5, 9)
    (3, 15)
    """
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    if start == end:
        return start, end
    first, last = max(0, start - MAX_WORD), min(len(text), end + MAX_WORD)
    while start > first and _are_one_word(text[start - 1], text[start]):
        start -= 1
    while end < last and _are_one_word(text[end - 1], text[end]):
        end += 1
    return start, end


def _are_one_word(before: str, after: str) -> bool:
    return _is_of_a_word(before) and _is_of_a_word(after)


@lru_cache(maxsize=4096)
def _is_of_a_word(character: str) -> bool:
    """Whether it stands inside words that have spaces around them; unseen characters and apostrophes do."""
    if any(low <= ord(character) <= high for low, high in _EAST + _SOUTH_EAST):
        return False
    return character in "'’" or unicodedata.category(character)[0] in "LMN" or unicodedata.category(character) == "Cf"
