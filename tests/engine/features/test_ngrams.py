"""The automaton and the probabilities of languages."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.features.ngrams import Automaton, NgramModel
from sluice.resources import language_file

NGRAMS = st.lists(st.binary(min_size=1, max_size=4).map(lambda b: bytes(byte % 4 + 97 for byte in b)), min_size=1)


@pytest.fixture(scope="module")
def model() -> NgramModel:
    return NgramModel(language_file())


def count_naively(ngrams: list[bytes], raw: bytes) -> Counter[int]:
    found: Counter[int] = Counter()
    for end in range(1, len(raw) + 1):
        endings = (raw[start:end] for start in range(end))
        longest = next((ending for ending in endings if ending in ngrams), None)
        if longest is not None:
            found[ngrams.index(longest)] += 1
    return found


@given(NGRAMS, st.text("abcdx", max_size=40))
def test_the_longest_ngram_that_ends_at_each_byte_is_found(ngrams: list[bytes], text: str) -> None:
    distinct = list(dict.fromkeys(ngrams))
    assert Automaton(distinct).count(text.encode()) == count_naively(distinct, text.encode())


def test_too_many_ngrams_for_two_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 65535"):
        Automaton([bytes([high, low, last]) for high in range(2) for low in range(200) for last in range(200)])


def test_probabilities_add_up_and_do_not_depend_on_the_company(model: NgramModel) -> None:
    passages = ["the weather is lovely today", "das Wetter ist heute schön", "", "zzz"]
    together = model.score("Latn", passages)
    assert together.shape == (4, len(model.languages("Latn")))
    assert together.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert np.array_equal(together[1:2], model.score("Latn", passages[1:2]))


def test_varieties_are_one_language(model: NgramModel) -> None:
    assert len(set(model.languages("Arab"))) == len(model.languages("Arab"))
    assert "ar" in model.languages("Arab")
