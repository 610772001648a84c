"""A worker that fails ends: within seconds, with a status that makes a supervisor start it again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sluice.client import Outcomes, Publisher
from sluice.local.ports import Ports
from sluice.local.processes import ChildProcess, answers_http, find_free_ports
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Post
from tests.components import wait_for

pytestmark = pytest.mark.integration

N_POSTS = 200
END_S = 10.0
START_S = 60.0

FAULTY_WORKER = """
import asyncio, os
import sluice.app
from aiokafka.consumer.fetcher import Fetcher
from sluice.app import run_worker
from sluice.cli.worker_log import log_to_standard_error
from sluice.settings import load_settings
from sluice.stream.agents import Intake
from sluice.stream.moderation import Moderator

class Panic(BaseException):
    "As a library in Rust raises it."

handle, take, fetched = Moderator.handle, Intake.take, Fetcher.fetched_records

async def failing_handle(self, message):
    if message.key == b"error":
        raise RuntimeError("a bug")
    if message.key == b"panic":
        raise Panic
    if message.key == b"stuck":
        await asyncio.Event().wait()
    await handle(self, message)

async def failing_take(self, event):
    if event.message.key == b"agent":
        raise RuntimeError("a bug")
    await take(self, event)

async def failing_fetch(self, *args, **kwargs):
    records = await fetched(self, *args, **kwargs)
    if any(record.key == b"consumer" for batch in records.values() for record in batch):
        raise RuntimeError("a codec that is missing")
    return records

sluice.app._patience_s = lambda deadline_s, agent: 15.0
Moderator.handle, Intake.take, Fetcher.fetched_records = failing_handle, failing_take, failing_fetch
log_to_standard_error()
run_worker(load_settings(os.environ))
"""


@pytest.fixture
def worker(tmp_path: Path, triton_server: TritonServer) -> Iterator[tuple[Stack, ChildProcess]]:
    """A worker that fails by the key of a post."""
    config = StackConfig(
        tmp_path,
        triton_repository(),
        triton=triton_server.address,
        worker=False,
        ports=Ports(metrics=find_free_ports(1)[0]),
    )
    with Stack(config) as stack:
        environment = stack._worker_environment(START_S)
        command = [sys.executable, "-c", FAULTY_WORKER]
        url = stack.addresses.metrics
        with ChildProcess("the worker", command, tmp_path / "worker.log", url, environment=environment) as worker:
            worker.wait_until_ready(lambda: answers_http(f"{url}/readyz"), START_S)
            yield stack, worker


@pytest.mark.parametrize("fault", ["error", "panic", "agent", "consumer", "stuck"])
def test_a_crash_after_traffic_ends_the_process(worker: tuple[Stack, ChildProcess], fault: str) -> None:
    stack, process = worker
    with Outcomes(stack.kafka, start="end") as outcomes, Publisher(stack.kafka, store=None) as publisher:
        for number in range(N_POSTS):
            publisher.publish(Post(id=f"p-{number}", text=f"see you at lunch on day {number}"))
        publisher.flush()
        seen: set[bytes | None] = set()
        while len(seen) < N_POSTS:
            seen |= {outcome.key for outcome in outcomes.poll(0.5)}
            process.check()
        assert process.pid is not None
        dying = psutil.Process(process.pid)
        for number in range(N_POSTS):
            publisher.publish(Post(id=fault if number == N_POSTS // 2 else f"q-{number}", text="see you at lunch"))
        publisher.flush()
    wait_for(lambda: "Crashed" in process.log.read_text() or not dying.is_running(), "the crash")
    assert dying.wait(END_S) == 1
    assert "the worker failed" in process.log.read_text()
