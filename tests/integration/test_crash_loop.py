"""A post that ends every worker that takes it is given up; those beside it are scored."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sluice.client import Outcome, Outcomes, Publisher
from sluice.config import KafkaConfig, Topics
from sluice.errors import StackError
from sluice.kafka import ensure_topics
from sluice.local.kafka import NativeKafka
from sluice.local.stack import Stack, StackConfig
from sluice.resources import triton_repository
from sluice.schema import Post
from sluice.stream.crashes import N_ALONE, N_TOGETHER
from tests.components import wait_for
from tests.kserve import KServe, serving

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

N_POSTS = 40
N_CRASHES = N_TOGETHER + N_ALONE
MARK = "a text that no library can read"

ABORTING_WORKER = f"""
import os
import sluice.opening
from sluice.features.text import TextExtractor

class AbortingExtractor(TextExtractor):
    "Ends the process as a library in C does."

    def extract_batch(self, texts):
        if any({MARK!r} in text for text in texts):
            os.abort()
        return super().extract_batch(texts)

sluice.opening.TextExtractor = AbortingExtractor
from sluice.app import run_worker
from sluice.cli.worker_log import log_to_standard_error
from sluice.settings import load_settings
log_to_standard_error()
run_worker(load_settings(os.environ))
"""


@pytest.fixture
def triton() -> Iterator[str]:
    """The address of a server that speaks Triton's protocol: what it answers does not matter here."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = serving(KServe())
    port = asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(60)
    yield f"127.0.0.1:{port}"
    asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def stack(kafka_broker: NativeKafka, triton: str, tmp_path: Path) -> Iterator[Stack]:
    topics = Topics("loop.posts", "loop.verdicts", "loop.reviews", "loop.dead-letters")
    kafka = KafkaConfig(kafka_broker.kafka.bootstrap, topics=topics)
    ensure_topics(kafka)
    environment = {
        "SLUICE_GROUP": "loop",
        "SLUICE_SESSION_TIMEOUT_S": "6",
        "SLUICE_MAX_DEADLINE_MS": "5000",
        "SLUICE_DEADLINE_MS": "5000",
    }
    config = StackConfig(
        tmp_path,
        triton_repository(),
        kafka=kafka,
        triton=triton,
        worker_environment=environment,
        worker_command=(sys.executable, "-c", ABORTING_WORKER),
    )
    with Stack(config) as stack:
        yield stack


def publish(stack: Stack) -> None:
    """A post that ends the worker, among others, in all partitions."""
    with Publisher(stack.kafka, store=None) as publisher:
        for number in range(N_POSTS):
            text = MARK if number == N_POSTS // 2 else f"see you at lunch on day {number}"
            publisher.publish(Post(id=f"p-{number}", text=text))
        publisher.flush()


class Reader:
    """Collects outcomes, and starts the worker again when it has ended, as a supervisor does."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._outcomes = Outcomes(stack.kafka, start="beginning")
        self.found: dict[str, list[Outcome]] = {}
        self.n_crashes = 0

    def look(self) -> bool:
        """Whether every post has an outcome."""
        for outcome in self._outcomes.poll(0.5):
            self.found.setdefault((outcome.key or b"").decode(), []).append(outcome)
        try:
            self._stack.check()
        except StackError:
            self.n_crashes += 1
            self._stack.kill_worker()
            with suppress(StackError):  # it may have ended again before it was ready
                self._stack.start_worker()
        return len(self.found) >= N_POSTS

    def dead_letters(self) -> dict[str, str]:
        letters = {key: one for key, found in self.found.items() for one in found if one.kind == "dead_letter"}
        return {key: str(one.dead_letter()["reason"]) for key, one in letters.items()}


def test_a_post_that_ends_the_worker_is_given_up_and_nobody_else(stack: Stack) -> None:
    reader = Reader(stack)
    publish(stack)
    wait_for(reader.look, "every outcome", patience_s=300.0)
    assert reader.dead_letters() == {f"p-{N_POSTS // 2}": "crashed_worker"}
    assert reader.n_crashes == N_CRASHES
