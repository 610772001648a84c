"""A stage and workers that answer posts without models, on an embedded broker, for the tests of a chaos run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from sluice.chaos.audit import Auditor
from sluice.chaos.faults import Fault
from sluice.chaos.stage import CONTROLS, StageConfig
from sluice.config import KafkaConfig, Topics
from sluice.errors import InvalidPost
from sluice.kafka import N_PARTITIONS, REASON_HEADER, ensure_topics
from sluice.local.processes import RunningInside
from sluice.schema import decode_post, encode
from tests.components import wait_for
from tests.engine.cli.verdicts import make_verdict

SILENT_URL = "http://127.0.0.1:9/never.png"


class StandInWorker(RunningInside):
    """Answers texts at once, and a post that waits for the silent host when the worker is started again.

    Parameters
    ----------
    forgets : bool
        Whether it acknowledges posts that wait and loses them when it is killed.
    skips : str or None
        Id of a post that it never answers.
    """

    def __init__(self, kafka: KafkaConfig, *, forgets: bool = False, skips: str | None = None) -> None:
        self.kafka = kafka
        self.calls: list[str] = []
        self._forgets = forgets
        self._skips = skips
        self._held: list[Message] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._producer = Producer({**kafka.librdkafka(), "linger.ms": 0})

    @property
    def is_holding(self) -> bool:
        return bool(self._held)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        self._producer.flush(10)

    stop_worker = stop

    def check(self) -> None:
        self.calls.append("check")

    def kill_worker(self) -> None:
        self.calls.append("kill")
        if self._forgets:
            self._held.clear()

    def start_worker(self, timeout_s: float) -> None:
        self.calls.append("start")
        while self._held:
            self._answer(self._held.pop())

    def _run(self) -> None:
        consumer = Consumer(
            {**self.kafka.librdkafka(), "group.id": self.kafka.topics.posts, "auto.offset.reset": "earliest",
             "enable.auto.commit": False, "fetch.wait.max.ms": 5}
        )  # fmt: skip
        consumer.assign([TopicPartition(self.kafka.topics.posts, number, 0) for number in range(N_PARTITIONS)])
        while not self._ended.is_set():
            message = consumer.poll(0.05)
            if message is not None and message.error() is None:
                self._take(message)
                if self._forgets:
                    consumer.commit(message=message, asynchronous=True)
        consumer.close()

    def _take(self, message: Message) -> None:
        if SILENT_URL.encode() in message.value():
            self._held.append(message)
        elif message.key().decode() != self._skips:
            self._answer(message)

    def _answer(self, message: Message) -> None:
        topics = self.kafka.topics
        try:
            verdict = make_verdict(decode_post(message.value()).id)
            self._producer.produce(topics.verdicts, encode(verdict), message.key())
        except InvalidPost as error:
            headers = [(REASON_HEADER, error.reason.encode())]
            self._producer.produce(topics.dead_letters, message.value(), message.key(), headers=headers)
        self._producer.poll(0)


class StandInStage(RunningInside):
    """Stands in for a `Stage`; `skips` is never answered by its worker."""

    skips: str | None = None

    def __init__(self, config: StageConfig) -> None:
        assert config.kafka is not None
        self.config = config
        self.kafka = config.kafka
        self.silence = SimpleNamespace(url=SILENT_URL)
        self.memory = SimpleNamespace(peak_mb={"worker": 300.0})
        self.workers = [StandInWorker(self.kafka, skips=self.skips)]

    def start(self) -> None:
        ensure_topics(self.kafka)
        for worker in self.workers:
            worker.start()

    def stop(self) -> None:
        for worker in self.workers:
            worker.stop()

    def make_worker(self, name: str, kafka: KafkaConfig) -> StandInWorker:
        return StandInWorker(kafka)

    def make_control(self, kind: str, topics: Topics) -> StandInWorker:
        return StandInWorker(replace(self.kafka, topics=topics), forgets=True)


class ImpatientAuditor(Auditor):
    """Does not wait long for what the controls have lost."""

    def wait_for(self, post_ids: list[str], timeout_s: float) -> bool:
        has_lost = post_ids[0].startswith(tuple(f"{kind}-head" for kind in CONTROLS))
        return super().wait_for(post_ids, 0.1 if has_lost else 60.0)


class Hiccup(Fault):
    """A fault that is no more than posts that go by meanwhile."""

    name = "hiccup"
    lasts_s = (1.0, 1.0)

    def begin(self) -> None:
        wanted = len(self._traffic.published()) + 60
        wait_for(lambda: len(self._traffic.published()) >= wanted, "posts are published")
        self._traffic.publish_stuck(SILENT_URL)
        (worker,) = cast(list[StandInWorker], self._stage.workers)
        wait_for(lambda: worker.is_holding, "the stuck post is picked up")

    def lift(self) -> None:
        for worker in self._stage.workers:
            worker.start_worker(1.0)


def deal_hiccups(stage, traffic, rng) -> Iterator[Fault]:
    while True:
        yield Hiccup(stage, traffic, rng)
