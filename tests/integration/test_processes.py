"""``sluice worker --processes 2`` on a real Kafka: one from outside, both at work, and neither without the other."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sluice.client import Outcomes, Publisher
from sluice.local.kafka import NativeKafka
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Post

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

COMMAND = (sys.executable, "-m", "sluice", "worker", "--processes", "2")
N_POSTS = 100


@pytest.fixture
def stack(tmp_path: Path, triton_server: TritonServer, kafka_broker: NativeKafka) -> Iterator[Stack]:
    config = StackConfig(
        tmp_path,
        triton_repository(),
        kafka=kafka_broker.kafka,
        triton=triton_server.address,
        worker_command=COMMAND,
        worker_environment={"SLUICE_GROUP": "processes", "SLUICE_DECODERS": "1"},
    )
    with Stack(config) as stack:
        yield stack


def read_series(stack: Stack, name: str) -> dict[str, float]:
    """Values of a series, by the values of all its labels."""
    with urllib.request.urlopen(f"{stack.addresses.metrics}/metrics", timeout=10) as response:
        families = list(text_string_to_metric_families(response.read().decode()))
    return {
        " ".join(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def workers_of(stack: Stack) -> list[psutil.Process]:
    return [child for child in psutil.Process(stack.worker_pid).children() if "worker" in child.cmdline()]


def test_two_work_as_one_and_end_as_one(stack: Stack) -> None:
    open_ids = {f"both-{number}".encode() for number in range(N_POSTS)}
    with Outcomes(stack.kafka, start="end") as outcomes, Publisher(stack.kafka, store=None) as publisher:
        for identifier in open_ids:
            publisher.publish(Post(id=identifier.decode(), text="see you at lunch"))
        while open_ids:
            stack.check()
            open_ids -= {outcome.key for outcome in outcomes.poll(0.5) if outcome.key}
    assert sum(read_series(stack, "sluice_posts_total").values()) >= N_POSTS
    assert len(read_series(stack, "sluice_consumer_lag_messages")) == 4, "partitions, shared out"
    parent, (first, second) = psutil.Process(stack.worker_pid), workers_of(stack)
    first.kill()
    assert psutil.wait_procs([parent, first, second], timeout=90)[1] == []
    assert "worker process 1 ended with status -9: ending all" in (stack.config.state_dir / "worker.log").read_text()
