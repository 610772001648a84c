"""Writes training texts as people do who hide from filters or type carelessly; harmful and harmless texts alike."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import lru_cache

import yaml

from sluice.resources import packaged_file

MAX_JOINED, JOINED_SHARE = 60, 0.12
"""Of texts of several words and at most so many characters, those whose words are joined."""
_WORD = re.compile(r"[A-Za-z]{3,}|[\u4e00-\u9fff]{2,}")
_DIGITS = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "b": "8", "g": "9", "l": "1"}
_CYRILLIC = dict(zip("aceopxyikhbmt", "асеорхуікһЬмт", strict=True))
_GREEK = dict(zip("aoeinkpuvxy", "αοειηκρυνχγ", strict=True))
_MARKED = dict(zip("aeioucnsyz", "áèîöûçñšýž", strict=True))
_SIGNS = ".-_*~|/·"
PICTURE_SHARE = 0.2
"""Of noisy texts, those in which pictographs stand for words."""


def _leet(rng: random.Random, word: str) -> str:
    return "".join(rng.choice(_DIGITS[c]) if c in _DIGITS and rng.random() < 0.7 else c for c in word.lower())


def _other_letters(rng: random.Random, word: str) -> str:
    letters = rng.choice((_CYRILLIC, _GREEK, _MARKED))
    return "".join(letters.get(c, c) if rng.random() < 0.8 else c for c in word.lower())


def _set_apart(rng: random.Random, word: str) -> str:
    return (" " if rng.random() < 0.5 else rng.choice(_SIGNS)).join(word)


def _one_sign(rng: random.Random, word: str) -> str:
    position = rng.randrange(1, len(word))
    return word[:position] + rng.choice(_SIGNS + " ") + word[position:]


def _star_out(rng: random.Random, word: str) -> str:
    position = rng.randrange(1, len(word))
    return word[:position] + rng.choice("**#_x") + word[position + 1 :]


def _repeat(rng: random.Random, word: str) -> str:
    position = rng.randrange(len(word))
    return word[:position] + word[position] * rng.randint(2, 5) + word[position + 1 :]


def _swap(rng: random.Random, word: str) -> str:
    position = rng.randrange(len(word) - 1)
    return word[:position] + word[position + 1] + word[position] + word[position + 2 :]


def _leave_out(rng: random.Random, word: str) -> str:
    position = rng.randrange(1, len(word))
    return word[:position] + word[position + 1 :]


LATIN: tuple[Callable[[random.Random, str], str], ...] = (
    _leet,
    _leet,
    _other_letters,
    _other_letters,
    _set_apart,
    _one_sign,
    _star_out,
    _repeat,
    _swap,
    _leave_out,
)
HAN: tuple[Callable[[random.Random, str], str], ...] = (_set_apart, _one_sign, _one_sign, _star_out, _repeat, _swap)


@lru_cache
def load_pictographs() -> dict[str, str]:
    """Words and what `pictographs.yaml` writes for them."""
    content = yaml.safe_load(packaged_file("sluice_models.recipes.text", "pictographs.yaml").read_text("utf-8"))
    return {word: pictograph for pictograph, words in content.items() for word in words}


def add_spelling_noise(rng: random.Random, text: str) -> str:
    """One kind of noise over a share of the words; the same `rng` gives the same text."""
    if rng.random() < PICTURE_SHARE:
        return _WORD.sub(lambda match: load_pictographs().get(match[0].lower(), match[0]), text)
    share = rng.choice((0.2, 0.5, 0.8))
    latin, han = rng.choice(LATIN), rng.choice(HAN)

    def change(match: re.Match[str]) -> str:
        if rng.random() >= share:
            return match[0]
        return (latin if match[0].isascii() else han)(rng, match[0])

    return _WORD.sub(change, text)


def roughen(rng: random.Random, text: str) -> str:
    """Spelling noise, or in short texts sometimes words that are joined; the same `rng` gives the same text."""
    if len(text) < MAX_JOINED and text.count(" ") > 1 and rng.random() < JOINED_SHARE:
        return text.replace(" ", "")
    return add_spelling_noise(rng, text)
