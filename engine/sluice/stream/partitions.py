"""What Faust's consumer knows of this worker's partitions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, cast

import faust
from faust.exceptions import ConsumerNotStarted
from faust.types import TP

from sluice.metrics import Metrics

logger = logging.getLogger(__name__)


def assigned(app: faust.App) -> set[TP]:
    """Return the partitions of this worker; none while the consumer starts."""
    try:
        return set(app.consumer.assignment())
    except ConsumerNotStarted:
        return set()


def has_joined(app: faust.App) -> bool:
    """Whether this worker is in its group, with partitions or, as a spare, without."""
    return app.consumer_generation_id > 0 and not app.rebalancing


def read_waiting(app: faust.App) -> tuple[int, int]:
    """How many messages wait in the partitions of this worker, and the sum of their newest offsets."""
    newest = (app.consumer.highwater(partition) for partition in assigned(app))
    return sum(read_lags(app).values()), sum(filter(None, newest))


def read_lags(app: faust.App) -> dict[TP, int]:
    """How many messages of each partition are not yet committed; without those whose newest is not known yet."""
    # Faust's monitor knows only what this process committed: after a restart it would count everything again.
    done = cast(Any, app.consumer)._committed_offset if assigned(app) else {}
    newest = {partition: app.consumer.highwater(partition) for partition in assigned(app)}
    return {one: max(0, end - (done.get(one) or 0)) for one, end in newest.items() if end is not None}


def report_lags(app: faust.App, metrics: Metrics) -> None:
    """Set the lag's series; a partition that another worker has taken over is no longer ours to report."""
    metrics.consumer_lag.clear()
    for partition, lag in read_lags(app).items():
        metrics.consumer_lag.labels(partition.topic, partition.partition).set(lag)


def log_rebalances(app: faust.App) -> None:
    """Say in the log which partitions come to this worker, and which go."""
    app.on_partitions_assigned.connect(_log("partitions assigned: %s"))
    app.on_partitions_revoked.connect(_log("partitions revoked: %s"))


def _log(line: str) -> Callable[..., None]:
    def log(_app: object, partitions: Iterable[TP], **_: object) -> None:
        logger.info(line, _list(partitions))

    return log


def _list(partitions: Iterable[TP]) -> str:
    return ", ".join(f"{one.topic}/{one.partition}" for one in sorted(partitions)) or "none"
