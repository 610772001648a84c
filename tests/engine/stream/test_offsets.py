"""How far a partition is done, and how often it was begun anew."""

from __future__ import annotations

import itertools
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from sluice.metrics import Metrics
from sluice.stream.offsets import Progress, Rounds, Skipped


@pytest.mark.parametrize(
    ("progress", "offset"),
    [
        (Progress(), None),
        (Progress(delivered=4), None),
        (Progress(delivered=4, position=5), None),
        (Progress(delivered=4, done=2, position=5), 3),
        (Progress(delivered=4, done=4, position=5), 5),
        (Progress(delivered=4, done=4, position=9), 9),
        (Progress(delivered=4, done=4, position=3), 5),
        (Progress(position=200_000_000), 200_000_000),
        (Progress(delivered=499, done=499, position=0), 500),
        (Progress(delivered=0, done=499, position=0), 500),
    ],
)
def test_nothing_in_flight_is_committed_and_nothing_behind_is_left(progress: Progress, offset: int | None) -> None:
    assert progress.committable() == offset


@given(st.lists(st.integers(0, 5), min_size=1))
def test_a_round_lasts_as_long_as_offsets_rise(offsets: list[int]) -> None:
    rounds = Rounds()
    found = [rounds.of("p", 1, offset) for offset in offsets]
    falls = [later <= earlier for earlier, later in itertools.pairwise(offsets)]
    assert found == [sum(falls[:n]) for n in range(len(offsets))]


def test_partitions_and_generations_have_rounds_of_their_own() -> None:
    rounds = Rounds()
    seen = [rounds.of(*at) for at in (("p", 1, 5), ("q", 1, 4), ("p", 1, 5), ("p", 2, 0), ("p", 2, 1), ("q", 1, 5))]
    assert seen == [0, 0, 1, 0, 0, 0]


def test_what_is_skipped_is_counted_and_its_range_is_told(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(CollectorRegistry())
    with caplog.at_level(logging.WARNING):
        Skipped(metrics).note("posts", 3, 10, 15, "Kafka had deleted them")
        Skipped(metrics).note("posts", 3, 15, 15, "nothing")
    labels = {"topic": "posts", "partition": "3"}
    assert metrics.registry.get_sample_value("sluice_posts_skipped_total", labels) == 5
    (record,) = caplog.records
    assert record.getMessage().startswith("posts/3: offsets 10 to 14 were never read: Kafka had deleted them")
