"""SimHash of a text: 64 bits of which two texts share the more, the more alike they are.

Source: Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002; over runs of `GRAM` letters
of the text as its reader sees it, so that disguises change little. Near copies of a text are those within `NEAR` bits.
"""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

from sluice.features.seen import see

Hashes = NDArray[np.uint64]

GRAM = 4
"""Letters of one run: long enough that two texts of one language share few of them by chance."""

NEAR = 12
"""Bits in which near copies differ at most; unrelated texts differ in 32, give or take 4."""

MAX_CHARS = 4096
"""Of a text that are looked at."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Constants of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""


def simhash(text: str, seed: int = 0) -> int:
    """The hash, from 1 to 2 ** 64 - 1; 0 for a text without letters.

    Parameters
    ----------
    seed : int
        From 0 to 2 ** 64 - 1; a secret one keeps others from computing the hash of a text they guess.
    """
    letters = _letters(see(text[:MAX_CHARS]).folded[0])
    if not letters:
        return 0
    bits = np.unpackbits(_grams(letters, seed).view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
    majority = bits.sum(axis=0, dtype=np.int64) * 2 > len(bits)
    return int(np.packbits(majority, bitorder="little").view(np.uint64)[0]) or 1


def _letters(read: str) -> str:
    """Small letters and figures alone: spaces and marks are what copies differ in first."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", read).casefold()))


def _grams(letters: str, seed: int) -> Hashes:
    """A hash per run of letters, shape = (n,); of a shorter text, the one of all of it."""
    codes = np.frombuffer(letters.encode("utf-32-le"), np.uint32).astype(np.uint64)
    n_grams = max(1, len(codes) - GRAM + 1)
    mixed = np.full(n_grams, seed, np.uint64)
    for at in range(min(GRAM, len(codes))):
        mixed = mixed * _MULTIPLIER + codes[at : at + n_grams]
    return _spread(mixed)


def _spread(mixed: Hashes) -> Hashes:
    """Every bit of the hash depends on every bit that came in."""
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX[0]
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX[1]
    return mixed ^ (mixed >> np.uint64(31))


def distances(hashes: Hashes, to: int) -> NDArray[np.int64]:
    """In how many bits each of some hashes differs from another one; shape = (n,)."""
    differing = np.ascontiguousarray(hashes ^ np.uint64(to))
    found: NDArray[np.int64] = np.unpackbits(differing.view(np.uint8).reshape(-1, 8), axis=1).sum(1, dtype=np.int64)
    return found
