"""The lag that is reported, from what Faust's consumer knows."""

from __future__ import annotations

import logging

import faust
import pytest
from faust.exceptions import ConsumerNotStarted
from faust.types import TP
from prometheus_client import CollectorRegistry

from sluice.metrics import Metrics
from sluice.stream.partitions import assigned, has_joined, log_rebalances, read_lags, read_waiting, report_lags

FIRST, SECOND, THIRD = (TP("posts", number) for number in range(3))


class FakeConsumer:
    """Knows newest and committed offsets, each of some partitions."""

    def __init__(self, newest: dict[TP, int | None], committed: dict[TP, int | None]) -> None:
        self._newest = newest
        self._committed_offset = committed

    def assignment(self) -> set[TP]:
        return set(self._newest)

    def highwater(self, partition: TP) -> int | None:
        return self._newest[partition]


class FakeApp:
    """A Faust app, as far as its consumer goes."""

    rebalancing = False
    consumer_generation_id = 1

    def __init__(self, newest: dict[TP, int | None], committed: dict[TP, int | None]) -> None:
        self.consumer = FakeConsumer(newest, committed)


class StartingApp:
    """One whose consumer does not run yet."""

    @property
    def consumer(self) -> FakeConsumer:
        raise ConsumerNotStarted


def read_series(metrics: Metrics) -> dict[tuple[str, str], float]:
    (family,) = metrics.consumer_lag.collect()
    return {(sample.labels["topic"], sample.labels["partition"]): sample.value for sample in family.samples}


def test_the_lag_is_what_is_not_yet_committed() -> None:
    assert read_lags(FakeApp({FIRST: 10, SECOND: 7}, {FIRST: 4, SECOND: 7})) == {FIRST: 6, SECOND: 0}


def test_a_partition_of_which_nothing_was_committed_counts_from_its_start() -> None:
    assert read_lags(FakeApp({FIRST: 10, SECOND: 3}, {SECOND: None})) == {FIRST: 10, SECOND: 3}


def test_a_partition_whose_newest_message_is_not_known_yet_is_left_out() -> None:
    assert read_lags(FakeApp({FIRST: None, SECOND: 3}, {})) == {SECOND: 3}


def test_a_commit_ahead_of_the_last_look_is_no_negative_lag() -> None:
    assert read_lags(FakeApp({FIRST: 10}, {FIRST: 12})) == {FIRST: 0}


def test_waiting_messages_and_newest_offsets_are_summed_over_partitions() -> None:
    app = FakeApp({FIRST: 10, SECOND: 7, THIRD: None}, {FIRST: 4, SECOND: 7})
    assert read_waiting(app) == (6, 17)


def test_a_spare_without_partitions_waits_for_nothing() -> None:
    assert read_waiting(FakeApp({}, {FIRST: 3})) == (0, 0)


def test_a_consumer_that_is_not_started_has_no_partitions_and_no_lag() -> None:
    app = StartingApp()
    assert assigned(app) == set()
    assert read_lags(app) == {}
    assert read_waiting(app) == (0, 0)


@pytest.mark.parametrize(
    ("generation", "rebalancing", "joined"), [(-1, False, False), (0, False, False), (3, True, False), (3, False, True)]
)
def test_who_has_a_generation_and_is_not_between_two_has_joined(
    generation: int, rebalancing: bool, joined: bool
) -> None:
    app = FakeApp({}, {})
    app.consumer_generation_id, app.rebalancing = generation, rebalancing
    assert has_joined(app) is joined


def test_a_partition_that_went_to_another_worker_is_no_longer_reported() -> None:
    metrics = Metrics(CollectorRegistry())
    report_lags(FakeApp({FIRST: 10, SECOND: 7}, {}), metrics)
    assert read_series(metrics) == {("posts", "0"): 10, ("posts", "1"): 7}
    report_lags(FakeApp({SECOND: 9}, {SECOND: 9}), metrics)
    assert read_series(metrics) == {("posts", "1"): 0}


async def test_what_comes_and_goes_in_a_rebalance_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = faust.App("test", broker="kafka://nowhere", store="memory://")
    log_rebalances(app)
    with caplog.at_level(logging.INFO):
        await app.on_partitions_revoked.send(set())
        await app.on_partitions_assigned.send({SECOND, FIRST})
    said = [record.getMessage() for record in caplog.records if record.name == "sluice.stream.partitions"]
    assert said == ["partitions revoked: none", "partitions assigned: posts/0, posts/1"]
