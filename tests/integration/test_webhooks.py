"""``sluice webhooks`` as a process, on Apache Kafka, which keeps offsets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from sluice.local.kafka import NativeKafka
from sluice.local.processes import python_path
from tests.engine.webhooks.receiver import SECRET, Receiver, leave

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.kill()


def start(kafka_broker: NativeKafka, receiver: Receiver) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sluice", "webhooks", "--url", f"http://127.0.0.1:{receiver.port}/hook",
               "--allow-private", "--from-beginning", "--kafka", kafka_broker.kafka.bootstrap]  # fmt: skip
    environ = {**os.environ, **python_path(), "SLUICE_WEBHOOK_SECRET": SECRET}
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)


async def test_what_was_delivered_is_not_delivered_again(kafka_broker: NativeKafka, receiver: Receiver) -> None:
    leave(kafka_broker.kafka, ("webhook-a", "block"))
    first = start(kafka_broker, receiver)
    await receiver.until(lambda: "webhook-a" in receiver.taken)
    first.send_signal(signal.SIGTERM)
    _, said = first.communicate(timeout=60)
    assert (first.returncode, "SIGTERM: stops" in said, "Traceback" in said) == (0, True, False), said
    leave(kafka_broker.kafka, ("webhook-b", "block"))
    second = start(kafka_broker, receiver)
    await receiver.until(lambda: "webhook-b" in receiver.taken)
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=60)
    assert receiver.taken.count("webhook-a") == 1
