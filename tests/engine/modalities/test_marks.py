"""What stands out in a map of scores, and how marked ranges are joined."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.modalities.marks import FLOOR, MARKED, MAX_SPANS, SHARE_OF_PEAK, find_runs, mark, mark_near_peak

scores_of_any_map = st.lists(st.floats(0, 1), max_size=40).map(lambda values: np.array(values, np.float64))


def runs_of(*ranges: tuple[float, float, float], gap: float = 0.0) -> list[tuple[float, float]]:
    starts, ends, scores = np.array(ranges, np.float64).reshape(-1, 3).T
    return find_runs(starts, ends, scores, gap)


@pytest.mark.parametrize(
    ("scores", "marked"),
    [
        ([], []),
        ([FLOOR - 0.01, 0.0], [False, False]),
        ([FLOOR, 0.0], [True, False]),
        ([0.3, 0.3 * SHARE_OF_PEAK + 0.01, 0.3 * SHARE_OF_PEAK - 0.01], [True, True, False]),
        ([0.99, MARKED, MARKED - 0.01], [True, True, False]),
        ([MARKED, SHARE_OF_PEAK * MARKED + 0.01], [True, True]),
    ],
)
def test_what_reaches_the_mark_or_comes_near_a_low_peak_counts(scores: list[float], marked: list[bool]) -> None:
    assert mark(np.array(scores)).tolist() == marked


@given(scores_of_any_map)
def test_the_highest_is_marked_or_nothing_is(scores: np.ndarray) -> None:
    marked = mark(scores)
    assert marked.shape == scores.shape
    assert marked.any() == (scores.max(initial=0.0) >= FLOOR)
    if marked.any():
        assert marked[scores.argmax()]
        assert scores[~marked].max(initial=0.0) < scores[marked].min()


@pytest.mark.parametrize(
    ("scores", "marked"),
    [([], []), ([FLOOR - 0.01], [False]), ([0.2, 0.17, 0.15], [True, True, False]), ([0.9, 0.75], [True, True])],
)
def test_what_is_near_the_peak_counts_however_high_it_is(scores: list[float], marked: list[bool]) -> None:
    assert mark_near_peak(np.array(scores), 0.8).tolist() == marked


def test_ranges_are_marked_as_asked() -> None:
    starts, ends = np.array([[0, 4], [8, 9], [20, 24]]).T
    assert find_runs(starts, ends, np.array([0.9, 0.8, 0.1]), 0.0, lambda scores: scores < 0.5) == [(20, 24)]


def test_a_map_of_any_shape_keeps_its_shape() -> None:
    assert mark(np.full((3, 4, 5), 0.9)).shape == (3, 4, 5)


def test_ranges_that_touch_or_overlap_are_one() -> None:
    assert runs_of((0, 4, 0.9), (4, 8, 0.9), (7, 12, 0.9), (20, 24, 0.9)) == [(0, 12), (20, 24)]


@pytest.mark.parametrize(("gap", "n_runs"), [(0.0, 2), (0.9, 2), (1.0, 1), (2.0, 1)])
def test_a_gap_no_wider_than_allowed_is_bridged(gap: float, n_runs: int) -> None:
    assert len(runs_of((0, 4, 0.9), (5, 8, 0.9), gap=gap)) == n_runs


def test_a_range_inside_another_does_not_shorten_it() -> None:
    assert runs_of((0, 10, 0.9), (2, 4, 0.9), (11, 12, 0.9), gap=1.0) == [(0, 12)]


def test_empty_ranges_neither_count_nor_set_the_scale() -> None:
    """Special tokens may have any score, and must not hide a low one that is the text's own."""
    assert runs_of((0, 0, 0.99), (3, 5, 0.2), (7, 7, 0.99)) == [(3, 5)]


def test_the_strongest_remain_and_stand_in_order() -> None:
    ranges = [(10 * n, 10 * n + 5, 0.5 + n / 100) for n in range(MAX_SPANS + 3)]
    assert runs_of(*ranges) == [(start, end) for start, end, _ in ranges[3:]]


def test_a_joined_range_is_as_strong_as_its_strongest_part() -> None:
    weak = [(100 * n, 100 * n + 5, 0.6) for n in range(1, MAX_SPANS + 1)]
    assert (0, 6) in runs_of((0, 4, 0.5), (4, 6, 0.95), *weak)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 20), st.floats(0, 1)), max_size=30), st.integers(0, 5))
def test_runs_are_in_order_apart_and_made_of_what_was_given(ranges: list[tuple[int, int, float]], gap: int) -> None:
    given_ranges = [(start, start + length, score) for start, length, score in ranges]
    runs = runs_of(*given_ranges, gap=gap)
    assert len(runs) <= MAX_SPANS
    assert all(start < end for start, end in runs)
    assert all(after[0] > before[1] + gap for before, after in pairwise(runs))
    assert {start for start, _ in runs} <= {start for start, _, _ in given_ranges}
    assert {end for _, end in runs} <= {end for _, end, _ in given_ranges}
