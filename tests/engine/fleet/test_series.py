"""The series of several workers are those that one would have."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sluice.fleet.series import merge
from sluice.metrics import Metrics


def expose(n_posts: int, *, is_up: bool = True, partition: int = 0) -> str:
    """What a worker says that has scored so many posts, each in 20 ms."""
    metrics = Metrics(CollectorRegistry())
    metrics.build.info({"version": "1.2"})
    for _ in range(n_posts):
        metrics.dead_letters.labels("not_json").inc()
        metrics.end_to_end.observe(0.02)
    metrics.in_flight.set(n_posts)
    metrics.triton_up.set(is_up)
    metrics.shedding_level.set(n_posts)
    metrics.history_newest.set(1000 + n_posts)
    metrics.model.labels("fusion", "7").set(1)
    metrics.consumer_lag.labels("posts", str(partition)).set(5)
    return generate_latest(metrics.registry).decode()


def read(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name, tuple(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


def test_what_is_counted_is_added_up() -> None:
    found = read(merge([expose(2), expose(3, partition=1)]))
    assert found[("sluice_dead_letters_total", (("reason", "not_json"),))] == 5
    assert found[("sluice_end_to_end_seconds_count", ())] == 5
    assert found[("sluice_end_to_end_seconds_sum", ())] == pytest.approx(0.1)
    assert found[("sluice_end_to_end_seconds_bucket", (("le", "0.02"),))] == 5
    assert found[("sluice_end_to_end_seconds_bucket", (("le", "0.015"),))] == 0
    assert found[("sluice_posts_in_flight", ())] == 5
    for partition in ("0", "1"):
        assert found[("sluice_consumer_lag_messages", (("partition", partition), ("topic", "posts")))] == 5


def test_what_holds_for_all_is_not_added_up() -> None:
    found = read(merge([expose(1), expose(1, is_up=False)]))
    assert found[("sluice_shedding_level", ())] == 1
    assert found[("sluice_history_newest_timestamp_seconds", ())] == 1001
    assert found[("sluice_triton_up", ())] == 0
    assert found[("sluice_build_info", (("version", "1.2"),))] == 1
    assert found[("sluice_model_info", (("model", "fusion"), ("version", "7")))] == 1


def test_a_series_is_as_old_as_its_oldest() -> None:
    (first, second) = (expose(1), expose(1))
    created = ("sluice_dead_letters_created", (("reason", "not_json"),))
    assert read(merge([second, first]))[created] == read(first.encode())[created]


def test_one_worker_says_what_it_said() -> None:
    alone = expose(3)
    assert read(merge([alone])) == read(alone.encode())
    assert {line for line in merge([alone]).decode().splitlines() if line.startswith("#")} == {
        line for line in alone.splitlines() if line.startswith("#")
    }
