"""Words and phrases, found all at once in a text as its reader gets it.

Aho and Corasick, "Efficient string matching: an aid to bibliographic search" (CACM 18, 1975), by `ahocorasick_rs`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

import ahocorasick_rs

from sluice.errors import ListError
from sluice.lists.reading import read_letters, read_plainly

_PLAIN = re.compile(r"(?!.*(.)\1\1)[a-z]{2,}(?: [a-z]{2,})*")
"""What every reader leaves as it is: most entries of most lists, and reading a million of the others takes a while."""
_NO_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts that set no spaces between words, as Unicode's names of letters begin."""


def spell(value: str) -> str:
    """A word or phrase as it is looked for.

    Raises
    ------
    ListError
        Nothing of it is left to look for.
    """
    if _PLAIN.fullmatch(value):
        return value
    spelled = read_letters(read_plainly(value))[0].strip()
    if not any(_is_letter(character) for character in spelled):
        raise ListError("there is no letter, digit or pictograph in it")
    return spelled


def is_apart(text: str, start: int, end: int) -> bool:
    """Whether a stretch of a text is whole words: its ends do not go on in a word."""
    before = start == 0 or not _joins(text[start - 1], text[start])
    return before and (end == len(text) or not _joins(text[end - 1], text[end]))


@lru_cache(maxsize=16_384)
def _joins(left: str, right: str) -> bool:
    """Whether two neighbours are of one word."""
    return _is_letter(left) and _is_letter(right) and not (_is_unspaced(left) or _is_unspaced(right))


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM" or character == "_" or unicodedata.category(character) == "So"


def _is_unspaced(character: str) -> bool:
    return unicodedata.category(character) == "So" or unicodedata.name(character, "").startswith(_NO_SPACES)


class Terms:
    """Many words and phrases, as `spell` spells them.

    Parameters
    ----------
    spelled : sequence of str
        Each once.
    """

    def __init__(self, spelled: Sequence[str]) -> None:
        self._automaton = ahocorasick_rs.AhoCorasick(
            spelled, matchkind=ahocorasick_rs.MatchKind.Standard, store_patterns=False
        )

    def find(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Which occur as whole words in a text that `read_letters` returned: index, start and end of each place."""
        for index, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            if is_apart(text, start, end):
                yield index, start, end
