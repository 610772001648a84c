"""The consumer lag that a worker reports is what Kafka holds for it, also after a restart."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sluice.client import Outcomes, Publisher, WindowedPublisher
from sluice.local.stack import Stack, StackConfig
from sluice.resources import triton_repository
from tests.components import require_kafka, wait_for

N_POSTS = 20

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


@pytest.fixture(scope="module")
def stack(triton_files: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    require_kafka()
    config = StackConfig(tmp_path_factory.mktemp("stack"), triton_repository(), broker="kafka", start_timeout_s=240.0)
    with Stack(config) as stack:
        yield stack


def _publish(stack: Stack) -> None:
    lines = [f'{{"id": "post-{n}", "text": "Good morning, number {n}!"}}'.encode() for n in range(N_POSTS)]
    with Outcomes(stack.kafka) as outcomes, Publisher(stack.kafka) as publisher:
        assert all(settled.outcome for settled in WindowedPublisher(publisher, outcomes).exchange(lines))


def _read_lag(stack: Stack) -> list[float]:
    """Return the lag of each partition; empty until Kafka has told the worker where they end."""
    with urllib.request.urlopen(f"{stack.addresses.metrics}/metrics", timeout=10) as page:
        families = text_string_to_metric_families(page.read().decode())
    return [one.value for family in families for one in family.samples if one.name == "sluice_consumer_lag_messages"]


def _wait_for_lag(stack: Stack) -> list[float]:
    """Return the lag of every partition, as soon as the worker knows it."""

    def ask() -> list[float]:
        lag = _read_lag(stack)
        return lag if len(lag) == 4 else []

    return wait_for(ask, "the lag of four partitions")


def _wait_until_committed(stack: Stack) -> None:
    """Offsets are committed a second after their verdicts."""
    wait_for(lambda: not any(_wait_for_lag(stack)), "a lag of 0")


def _restart_worker(stack: Stack) -> None:
    """Let it leave its group, or Kafka keeps its partitions for the length of a session."""
    worker = psutil.Process(stack.worker_pid)
    worker.terminate()
    worker.wait(60)
    stack.kill_worker()
    stack.start_worker()


def test_the_lag_is_0_when_every_post_has_its_verdict_also_after_a_restart(stack: Stack) -> None:
    _publish(stack)
    _wait_until_committed(stack)
    _restart_worker(stack)
    assert _wait_for_lag(stack) == [0.0] * 4
