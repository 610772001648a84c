"""SimHash: copies that differ in little are near, other texts are far."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.features.simhash import NEAR, distances, simhash

TEXT = "Buy cheap watches at example.org today, only ten euros each, free shipping for everybody who orders now!"
COPIES = [
    TEXT.upper(),
    TEXT + " 😀😀",
    "@anna " + TEXT,
    TEXT + " ref 8842",
    TEXT.replace("today", "tonight"),
    TEXT.replace("a", "а"),
    "  ".join(TEXT.split()),
    TEXT.replace("cheap", "ch3ap"),
]
OTHERS = [
    "See you at lunch on Thursday, the usual place.",
    "Recipe: two eggs, some flour, a little patience and a hot pan.",
    "今天的菜是番茄炒蛋。",
    "ok",
    "Does anybody sell a bicycle for about ninety euros?",
]


def distance(one: str, other: str) -> int:
    return int(distances(np.array([simhash(one)], np.uint64), simhash(other))[0])


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_that_differs_in_little_is_near(copy: str) -> None:
    assert distance(TEXT, copy) <= NEAR


@pytest.mark.parametrize("other", OTHERS)
def test_another_text_is_far(other: str) -> None:
    assert all(distance(other, each) > NEAR + 4 for each in [TEXT, *OTHERS] if each != other)


@pytest.mark.parametrize("text", ["", "?!", " \u200b"])
def test_a_text_without_letters_has_none(text: str) -> None:
    assert simhash(text) == 0


def test_with_another_seed_it_is_another_hash() -> None:
    assert simhash(TEXT, 1) != simhash(TEXT, 2)
    assert simhash("a") not in (0, simhash("b"))


@given(st.text(max_size=30), st.integers(0, 2**64 - 1))
def test_it_is_the_same_for_the_same_text_and_fits_64_bits(text: str, seed: int) -> None:
    assert simhash(text, seed) == simhash(text, seed)
    assert 0 <= simhash(text, seed) < 2**64


def test_distances_are_counted_in_bits() -> None:
    assert distances(np.array([0, 1, 3, 2**64 - 1], np.uint64), 1).tolist() == [1, 0, 1, 63]
