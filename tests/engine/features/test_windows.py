"""Which stretches of a text become rows."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.features.windows import CAPACITY, MAX_WINDOWS, find_sentences_to_read, find_windows


@given(st.integers(0, 20_000))
def test_windows_go_from_the_start_to_the_end_in_order(n_pieces: int) -> None:
    windows = find_windows(n_pieces)
    assert 1 <= len(windows) <= MAX_WINDOWS
    assert windows[0][0] == 0
    assert windows[-1][1] == n_pieces
    assert all(stop - start <= CAPACITY for start, stop in windows)
    assert all(before < after for before, after in pairwise(windows))


def test_each_sentence_is_read_and_waits_with_its_neighbours() -> None:
    sentences = find_sentences_to_read([0, 5, 9, 20], 26, 30)
    assert [each.own for each in sentences] == [(0, 5), (5, 9), (9, 20), (20, 26)]
    assert [each.wider for each in sentences] == [(0, 9), (0, 20), (5, 26), (9, 26)]


def test_a_sentence_whose_neighbours_are_all_there_is_has_no_row() -> None:
    assert find_sentences_to_read([0], 9, 30) == []
    assert find_sentences_to_read([0, 5], 9, 30) == []
    assert [each.own for each in find_sentences_to_read([0, 5, 9], 12, 30)] == [(0, 5), (9, 12)]


def test_a_sentence_longer_than_a_row_is_left_to_the_windows() -> None:
    sentences = find_sentences_to_read([0, 5, 205, 210], 216, 30)
    assert [each.own for each in sentences] == [(0, 5), (205, 210), (210, 216)]


def test_long_neighbours_are_cut() -> None:
    (_, inner, *_) = find_sentences_to_read([0, 100, 110, 210], 300, 30)
    assert inner.own == (100, 110)
    start, stop = inner.wider
    assert stop - start == CAPACITY
    assert abs((100 - start) - (stop - 110)) <= 1


@pytest.mark.parametrize(("n_most", "n_rows"), [(0, 0), (-3, 0), (2, 0), (3, 2), (7, 7), (10, 10), (99, 20)])
def test_more_sentences_than_rows_go_together(n_most: int, n_rows: int) -> None:
    assert len(find_sentences_to_read(range(0, 60, 3), 60, n_most)) == n_rows


@given(st.sets(st.integers(1, 900), max_size=150), st.integers(1, 70))
def test_no_more_rows_than_there_is_room_for_and_each_fits(starts: set[int], n_most: int) -> None:
    sentences = find_sentences_to_read([0, *sorted(starts)], 901, n_most)
    assert len(sentences) <= n_most
    for each in sentences:
        assert each.wider[0] <= each.own[0] < each.own[1] <= each.wider[1]
        assert each.wider[1] - each.wider[0] <= CAPACITY
    assert all(before.own[1] <= after.own[0] for before, after in pairwise(sentences))
