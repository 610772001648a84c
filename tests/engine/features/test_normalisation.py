"""Look-alike spellings come together, nothing unseen is left, and every character knows where it came from."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.features.normalisation import normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\tb\nc\r", "a b c "),
        ("a\x00b\x7f", "ab"),
        ("ｆｕｌｌ，①", "full,1"),
        ("e\u0301", "é"),
        ("z\u200de\u200bro", "zero"),
        ("e\u200b\u0301", "é"),
        ("e\u3164\x00\u0301", "é"),
        ("\ud800", "\ufffd"),
        ("a\U000e0041b\u3164", "ab"),
        ("ｶﾞ", "ガ"),
        ("가", "가"),
        ("line\u2028end", "line end"),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    normalised, origin = normalise(text)
    assert normalised == expected
    assert len(origin) == len(normalised) + 1
    assert origin[-1] == len(text)


ANY_TEXT = st.text(st.characters(), max_size=25) | st.text(
    "ae\u0301\u0316\u200b각ﬁｶﾞ\ud800 \n\u3164\x00\x9f\ufe0f", max_size=25
)


@given(ANY_TEXT)
def test_normalised_text_is_nfkc_without_anything_unseen(text: str) -> None:
    normalised, origin = normalise(text)
    assert unicodedata.is_normalized("NFKC", normalised)
    assert not {unicodedata.category(character) for character in normalised} & {"Cc", "Cf", "Cs"}
    assert np.all(np.diff(origin) >= 0)
    assert origin[0] >= 0 if len(normalised) else origin.tolist() == [len(text)]


@given(ANY_TEXT)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once, _ = normalise(text)
    assert normalise(once)[0] == once
