"""The series that operators build their dashboards on."""

from __future__ import annotations

from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from sluice.metrics import BATCH_BUCKETS, LATENCY_BUCKETS_S, STAGES, Metrics

UNITS = {"sluice_end_to_end_seconds", "sluice_stage_seconds", "sluice_inference_seconds"}
KNOWN_LABELS = {
    "decision",
    "language",
    "stage",
    "model",
    "reason",
    "topic",
    "partition",
    "modality",
    "kind",
    "version",
    "label",
    "name",
    "policy",
    "policy_version",
    "result",
}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def families(metrics: Metrics) -> dict[str, Metric]:
    return {family.name: family for family in metrics.registry.collect()}


def test_every_series_is_ours_and_described(metrics: Metrics) -> None:
    found = families(metrics)
    assert len(found) >= 14
    assert all(name.startswith("sluice_") for name in found)
    assert all(family.documentation.endswith(".") for family in found.values())


def test_times_are_in_seconds_and_say_so(metrics: Metrics) -> None:
    histograms = {name for name, family in families(metrics).items() if family.type == "histogram"}
    assert histograms == UNITS | {"sluice_batch_rows"}


def test_a_registry_takes_the_series_once(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="Duplicated"):
        Metrics(metrics.registry)
    Metrics(CollectorRegistry())  # another one does


def test_latency_buckets_resolve_every_factor_of_two_between_a_millisecond_and_ten_seconds() -> None:
    assert (LATENCY_BUCKETS_S[0], LATENCY_BUCKETS_S[-1]) == (0.001, 10.0)
    assert all(1.0 < high / low <= 2.0 + 1e-9 for low, high in pairwise(LATENCY_BUCKETS_S))


def test_batch_buckets_are_powers_of_two() -> None:
    assert all(high == 2 * low for low, high in pairwise(BATCH_BUCKETS))


def test_a_posts_way_through_the_stages_is_seen(metrics: Metrics) -> None:
    for stage in STAGES:
        metrics.stage.labels(stage).observe(0.004)
    (family,) = (family for name, family in families(metrics).items() if name == "sluice_stage_seconds")
    counted = {sample.labels["stage"]: sample.value for sample in family.samples if sample.name.endswith("_count")}
    assert counted == dict.fromkeys(STAGES, 1.0)
    fitting = {
        float(sample.labels["le"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_bucket") and sample.labels["stage"] == "fuse"
    }
    assert (fitting[0.003], fitting[0.005]) == (0.0, 1.0)


def test_no_series_has_a_label_that_could_hold_content(metrics: Metrics) -> None:
    """Post ids or authors would give a series per post, or tell who was judged how."""
    metrics.posts.labels("allow", "default", 3).inc()
    metrics.findings.labels("threat", "block").inc()
    metrics.policy.labels("default", 3).set(1)
    metrics.policy_reloads.labels("taken").inc()
    metrics.texts.labels("en", "allow").inc()
    metrics.dead_letters.labels("not_json").inc()
    metrics.failed_parts.labels("image", "late").inc()
    metrics.triton_errors.labels("fusion", "InferenceLate").inc()
    metrics.consumer_lag.labels("t", 0).set(1)
    metrics.posts_skipped.labels("t", 0).inc()
    metrics.model.labels("fusion", "1").set(1)
    used = {name for family in families(metrics).values() for sample in family.samples for name in sample.labels}
    assert used <= KNOWN_LABELS | {"le"}


def test_what_is_exposed_is_prometheus_text(metrics: Metrics) -> None:
    metrics.posts.labels("block", "default", 3).inc(2)
    metrics.build.info({"version": "1.2.3"})
    text = generate_latest(metrics.registry).decode()
    assert 'sluice_posts_total{decision="block",policy="default",policy_version="3"} 2.0' in text
    assert 'sluice_build_info{version="1.2.3"} 1.0' in text


def test_the_process_is_seen_once_that_is_asked_for(metrics: Metrics) -> None:
    metrics.add_process()
    assert {"process_resident_memory_bytes", "process_cpu_seconds", "process_open_fds"} <= families(metrics).keys()
