"""Schedules do not look at answers, and latency counts from the schedule."""

import math
import statistics
from itertools import pairwise

import pytest

from sluice.bench.trace import Open, Trace, percentile


@pytest.mark.parametrize("arrivals", ["poisson", "steady"])
def test_a_schedule_has_its_rate_and_ends_in_time(arrivals):
    due = list(Open(100.0, 50.0, seed=3, arrivals=arrivals).due_s())
    assert len(due) == pytest.approx(5_000, rel=0.05)
    assert due == sorted(due)
    assert due[-1] < 50.0


def test_independent_arrivals_scatter_as_much_as_they_are_apart():
    gaps = [b - a for a, b in pairwise(Open(100.0, 50.0, seed=3).due_s())]
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.1)


def test_steady_ones_do_not():
    gaps = [b - a for a, b in pairwise(Open(100.0, 50.0, arrivals="steady").due_s())]
    assert statistics.stdev(gaps) < 1e-6


def test_a_seed_gives_the_same_schedule():
    assert list(Open(10, 9, 1).due_s()) == list(Open(10, 9, 1).due_s())
    assert list(Open(10, 9, 1).due_s()) != list(Open(10, 9, 2).due_s())


def make_trace():
    return Trace(
        due={"ramp": 0.5, "a": 1.0, "b": 2.0, "lost": 2.5, "after": 5.0},
        done={"ramp": 1.5, "a": 1.25, "b": 4.5, "after": 5.5},
        begin=1.0,
        end=4.0,
    )


def test_only_outcomes_between_begin_and_end_count():
    trace = make_trace()
    assert trace.n_done == 2  # the ramp's and a's came between them
    assert trace.posts_per_s == pytest.approx(2 / 3)


def test_a_post_without_outcome_waits_for_ever():
    trace = make_trace()
    assert trace.latencies_s() == [0.25, 2.5, math.inf]
    assert trace.n_lost == 1


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentiles_are_nearest_ranks(share, value):
    assert percentile(list(range(1, 101)), share) == value


def test_of_nothing_there_is_none():
    assert math.isnan(percentile([], 0.5))
