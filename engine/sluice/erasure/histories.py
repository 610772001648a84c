"""The histories of the workers: each is asked to forget somebody, and answers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec
from confluent_kafka import Consumer, KafkaException, Message
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import AdminClient

from sluice.client.compacted import write_records
from sluice.client.messages import Place, take_ready
from sluice.client.outcomes import consumer_properties, find_ends, find_partitions
from sluice.config import KafkaConfig
from sluice.erasure.report import Row
from sluice.erasure.subjects import Subject
from sluice.errors import KafkaUnavailable
from sluice.history.erasures import Erasure, Forgotten, decode_erasure, name_author, name_post
from sluice.history.subjects import Naming
from sluice.kafka import ensure_topics

POLL_S = 0.2
CLOCKS_DIFFER_MS = 60_000
"""By so much the clocks of publishers and workers may be ahead of this one."""

NO_KEY = "their verdicts were counted, and SLUICE_HISTORY_KEY is not set here: set it, and run this again"
ASKED = "the workers are asked when it runs"
SILENT = "have not answered in time: they forget as soon as they read the topic of erasures"
NONE_RUNS = "no worker of the group runs: each forgets before its next post"


@dataclass(frozen=True, slots=True)
class Histories:
    """Asks every process that keeps a history.

    Attributes
    ----------
    key : bytes
        Secret of the histories; empty if there are none.
    group : str
        Of the workers, each of which has to answer.
    timeout_s : float
        How long to wait for all of them.
    """

    kafka: KafkaConfig
    key: bytes
    group: str
    timeout_s: float

    def preview(self, subject: Subject) -> list[Row]:
        """What there is to be asked."""
        if not self.key:
            return [_row("histories", left=1, note=NO_KEY)] if subject.was_counted else []
        return [_row("histories", note=ASKED)]

    def ask(self, subject: Subject) -> Asked | None:
        """Have it written that somebody is to be forgotten; None without a key. Raises `KafkaUnavailable`."""
        if not self.key:
            return None
        topic = self.kafka.topics.erasures
        ensure_topics(self.kafka, self.timeout_s, (topic,))
        erasure = make_erasure(Naming(self.key), subject, int(time.time() * 1000) + CLOCKS_DIFFER_MS)
        asked = Asked(self, erasure.id)
        write_records(self.kafka, topic, [(erasure.id.encode(), msgspec.json.encode(erasure))], self.timeout_s)
        return asked

    def count_workers(self) -> int:
        """How many are in the group; raises `KafkaUnavailable`."""
        admin = AdminClient({**self.kafka.librdkafka(), "log_level": 0})
        described = admin.describe_consumer_groups([self.group], request_timeout=self.timeout_s)[self.group]
        try:
            return len(described.result().members)
        except KafkaException as error:
            raise KafkaUnavailable(f"Kafka at {self.kafka.bootstrap}: {error.args[0].str()}") from error


class Asked:
    """An erasure that was written, and the answers to it.

    Raises
    ------
    KafkaUnavailable
        Kafka does not answer.
    """

    def __init__(self, histories: Histories, erasure_id: str) -> None:
        self._histories, self._id = histories, erasure_id
        kafka, timeout_s = histories.kafka, histories.timeout_s
        self._consumer = Consumer(consumer_properties(kafka, f"sluice-erasure-{uuid.uuid4()}"))
        try:
            places = find_partitions(self._consumer, kafka, (kafka.topics.erasures,), timeout_s)
            ends: Mapping[Place, int] = find_ends(self._consumer, kafka, places, timeout_s)
            self._consumer.assign([Partition(*place, end) for place, end in ends.items()])
        except BaseException:
            self._consumer.close()
            raise

    def wait(self) -> list[Row]:
        """A row for each process that has answered, and one for workers that have not in time."""
        n_workers = self._histories.count_workers()
        answers = self._answers(n_workers)
        rows = [_row(each.by, each.n_erased, each.n_left) for each in answers.values()]
        n_silent = n_workers - self._count_group(answers)
        if n_silent > 0:
            rows.append(_row(f"group {self._histories.group}", left=n_silent, note=f"{n_silent} workers {SILENT}"))
        elif n_workers == 0:
            rows.append(_row(f"group {self._histories.group}", note=NONE_RUNS))
        return rows

    def _answers(self, n_workers: int) -> dict[str, Forgotten]:
        answers: dict[str, Forgotten] = {}
        deadline = time.monotonic() + self._histories.timeout_s
        while self._count_group(answers) < n_workers and time.monotonic() < deadline:
            for message in take_ready(self._consumer, POLL_S):
                answers.update({each.by: each for each in self._read(message)})
        return answers

    def _count_group(self, answers: dict[str, Forgotten]) -> int:
        return sum(each.group == self._histories.group for each in answers.values())

    def _read(self, message: Message) -> Iterator[Forgotten]:
        try:
            told = decode_erasure(message.value()) if message.error() is None else None
        except msgspec.DecodeError:  # of somebody else
            return
        if isinstance(told, Forgotten) and told.id == self._id:
            yield told

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()


def make_erasure(naming: Naming, subject: Subject, until_ms: int) -> Erasure:
    """What is written of somebody: nothing that names them."""
    posted_in = {subject.tenant, *subject.posted_in}
    if subject.author is not None:
        names = name_author(naming, subject.author, posted_in, {subject.tenant, *subject.reported_in})
    else:
        names = name_post(naming, subject.post_id or "", posted_in)
    written_by = set() if subject.author else subject.written_by
    recounted = _spell(naming.subject("posts", *each) for each in written_by)
    return Erasure(id=uuid.uuid4().hex, until_ms=until_ms, names=_spell(names), recounted=recounted)


def _spell(names: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(sorted(name.hex() for name in names))


def _row(where: str, n_erased: int = 0, left: int = 0, note: str = "") -> Row:
    return Row(kind="history", where=where, found=n_erased, erased=n_erased, left=left, note=note)
