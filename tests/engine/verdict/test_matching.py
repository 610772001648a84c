"""Thresholds that flag the same share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.verdict.matching import MIN_FLAGGED, match_threshold

SCORES = st.lists(st.floats(0, 1), min_size=30, max_size=200)


def test_as_many_posts_are_flagged() -> None:
    theirs = [number / 100 for number in range(100)]
    ours = [1 - number / 50 for number in range(50)] + [number / 50 for number in range(50)]
    found = match_threshold(theirs, ours, 0.8)
    assert found.their_share == 0.2
    assert found.our_share == pytest.approx(0.2, abs=0.0101)  # our scores come in pairs
    assert found.threshold == pytest.approx(0.79, abs=0.011)
    assert found.agreement == 0.5


def test_the_same_scores_give_the_same_threshold_and_full_agreement() -> None:
    scores = [number / 100 for number in range(100)]
    found = match_threshold(scores, scores, 0.7)
    assert (found.our_share, found.agreement) == (0.3, 1.0)
    assert found.threshold == pytest.approx(0.695)


def test_equal_scores_are_not_torn_apart() -> None:
    found = match_threshold([1.0] * 15 + [0.0] * 15, [0.9] * 10 + [0.5] * 20, 0.5)
    assert found.threshold == pytest.approx(0.7)
    assert found.our_share == pytest.approx(1 / 3)


def test_too_few_posts_give_no_threshold() -> None:
    found = match_threshold([1.0] * (MIN_FLAGGED - 1) + [0.0] * 100, [0.5] * (MIN_FLAGGED + 99), 0.5)
    assert (found.threshold, found.our_share, found.agreement) == (None, None, None)


@given(st.data(), SCORES, st.floats(0, 1))
def test_our_share_is_as_near_to_theirs_as_our_scores_allow(data: st.DataObject, ours: list[float], cut: float) -> None:
    theirs = data.draw(st.lists(st.floats(0, 1), min_size=len(ours), max_size=len(ours)))
    found = match_threshold(theirs, ours, cut)
    if found.threshold is None or found.our_share is None:
        return
    reachable = [sum(score >= value for score in ours) / len(ours) for value in set(ours)]
    best = min(abs(share - found.their_share) for share in reachable)
    assert abs(found.our_share - found.their_share) <= best + 1 / len(ours)  # a midpoint may round onto a score
