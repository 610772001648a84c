"""What a worker says of itself on a real Kafka: a spare is ready, one that cannot publish is not."""

from __future__ import annotations

import functools
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from sluice.config import Topics
from sluice.local.kafka import NativeKafka
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from tests.components import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

TOPICS = Topics(*(f"readiness.{name}" for name in ("posts", "verdicts", "reviews", "dead-letters", "policies")))


def ask(stack: Stack) -> str:
    """What ``/readyz`` says."""
    try:
        with urllib.request.urlopen(f"{stack.addresses.metrics}/readyz", timeout=30) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


@pytest.fixture
def workers(kafka_broker: NativeKafka, triton_server: TritonServer, tmp_path: Path) -> Iterator[tuple[Stack, Stack]]:
    """Two workers for one partition."""
    admin = AdminClient(kafka_broker.kafka.librdkafka())
    for future in admin.create_topics([NewTopic(name, 1) for name in TOPICS.of_posts()]).values():
        future.result()
    kafka = replace(kafka_broker.kafka, topics=TOPICS)
    configs = [
        StackConfig(
            tmp_path / name,
            triton_repository(),
            kafka=kafka,
            triton=triton_server.address,
            worker_environment={"SLUICE_GROUP": "readiness"},
        )
        for name in ("one", "two")
    ]
    with ExitStack() as cleanup:
        one, two = (cleanup.enter_context(Stack(config)) for config in configs)
        yield one, two


def cannot_publish(worker: Stack) -> bool:
    return "outcomes cannot be published" in ask(worker)


def test_a_spare_is_ready_and_one_that_cannot_publish_is_not(
    workers: tuple[Stack, Stack], kafka_broker: NativeKafka
) -> None:
    wait_for(lambda: [ask(worker) for worker in workers] == ["ready\n"] * 2, "both ready")
    admin = AdminClient(kafka_broker.kafka.librdkafka())
    admin.delete_topics([TOPICS.verdicts])[TOPICS.verdicts].result()
    for worker in workers:
        wait_for(functools.partial(cannot_publish, worker), "not ready")
        assert TOPICS.verdicts in ask(worker)
    admin.create_topics([NewTopic(TOPICS.verdicts, 1)])[TOPICS.verdicts].result()
    wait_for(lambda: [ask(worker) for worker in workers] == ["ready\n"] * 2, "both ready again")
