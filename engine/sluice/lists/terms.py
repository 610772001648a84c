"""Words and phrases, found all at once in a text as its reader gets it.

What is looked for begins where a word begins, and few entries begin with the same letters: so from each beginning only
stretches as long as those are looked up in a dictionary. An automaton (Aho and Corasick, by `ahocorasick_rs`) would
hold the interpreter while it is compiled, and with it every post: for 2 s with 100,000 entries.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from sluice.errors import ListError
from sluice.features.seen import Seen
from sluice.lists.reading import read_letters

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
    spelled = read_letters(Seen(value))[0].strip()
    if not any(_is_letter(character) for character in spelled):
        raise ListError("there is no letter, digit or pictograph in it")
    return spelled


@lru_cache(maxsize=65_536)
def _holds_on(character: str) -> bool:
    """Whether it is of one word with a neighbour that is such a one, too."""
    return _is_letter(character) and not _is_unspaced(character)


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM" or character == "_" or unicodedata.category(character) == "So"


def _is_unspaced(character: str) -> bool:
    return unicodedata.category(character) == "So" or unicodedata.name(character, "").startswith(_NO_SPACES)


_PREFIX = 4
"""Letters by which it is seen how long entries that begin so are."""


class Terms:
    """Many words and phrases, as `spell` spells them.

    Parameters
    ----------
    spelled : sequence of str
        Each once.
    """

    def __init__(self, spelled: Sequence[str]) -> None:
        self._indices = {term: index for index, term in enumerate(spelled)}
        self._lengths: dict[str, int] = {}
        for term in spelled:
            prefix = term[:_PREFIX]
            self._lengths[prefix] = self._lengths.get(prefix, 0) | 1 << len(term)
        self._short = sorted({len(term) for term in spelled if len(term) < _PREFIX})

    def find(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Which occur as whole words in a text that `read_letters` returned: index, start and end of each place."""
        holds_on = [False, *map(_holds_on, text), False]  # at each place, whether the character before it does
        for start in range(len(text)):
            if holds_on[start] and holds_on[start + 1]:
                continue
            for length in self._lengths_at(text, start):
                end = start + length
                if end > len(text):
                    break
                index = self._indices.get(text[start:end])
                if index is not None and not (holds_on[end] and holds_on[end + 1]):
                    yield index, start, end

    def _lengths_at(self, text: str, start: int) -> Sequence[int]:
        """How long entries may be that begin at a place, the shortest first."""
        lengths = self._lengths.get(text[start : start + _PREFIX], 0)
        longer = _bits_of(lengths) if lengths >> _PREFIX else ()
        return (*self._short, *longer) if self._short else longer


@lru_cache(maxsize=4096)
def _bits_of(number: int) -> tuple[int, ...]:
    """Which bits from `_PREFIX` on are set."""
    return tuple(bit for bit in range(_PREFIX, number.bit_length()) if number >> bit & 1)
