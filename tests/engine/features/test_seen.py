"""A text on its way to its readers: the same for all of them, and each step taken once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.features import seen
from sluice.features.folding import fold, prepare
from sluice.features.seen import KEPT_CHARS, Seen, see
from sluice.features.simhash import simhash
from sluice.features.text import TextExtractor
from sluice.features.traces import Traced
from sluice.lists.entries import Entry
from sluice.lists.finder import ListFinder
from tests.engine.lists.test_finder import NOW

DISGUISED = "<b>fi</b>sh &amp; ch1ps, l.i.k.e \u202edlo\u202c \uff46\uff49sh \U0001f412 "


@given(st.text(st.sampled_from(DISGUISED + "aA$0 \u0301\ufb01"), max_size=60))
def test_words_are_what_the_reader_of_texts_gets(text: str) -> None:
    read, origin = Seen(text).words
    expected, places = prepare(text)
    assert read == expected
    assert np.array_equal(origin, places)


def test_the_plain_text_keeps_what_addresses_are_spelled_with() -> None:
    read, origin = see("<b>ch1ps</b>.example").plain
    assert (read, int(origin[0]), int(origin[-1])) == ("ch1ps.example", 3, 20)


@pytest.mark.parametrize("n_times", [1, 3])
def test_lists_history_and_reader_fold_a_text_once(n_times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    folded: list[str] = []

    def note(traced: Traced) -> Traced:
        folded.append(traced[0])
        return fold(traced)

    monkeypatch.setattr(seen, "fold", note)
    text, extractor = f"{n_times} cl4nkers went to sea", TextExtractor()
    finder = ListFinder({"them": [Entry("word", "clankers"), Entry("regex", "went to .ea")]})
    for _ in range(n_times):
        assert len(finder.find(text, None, NOW)) == 2
        assert simhash(text) == simhash(text.replace("4", "a"))
        assert len(extractor.extract(text).rows) == 1
    assert folded.count(text) == 1


def test_only_short_texts_are_kept() -> None:
    assert see("short") is see("short")
    assert see("x" * (KEPT_CHARS + 1)) is not see("x" * (KEPT_CHARS + 1))
