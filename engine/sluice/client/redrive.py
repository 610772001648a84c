"""Publishes dead letters again, each once."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Partition

from sluice.client.outcomes import Outcome, Outcomes, consumer_properties
from sluice.client.publisher import Publisher
from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable
from sluice.kafka import REASON_HEADER, REDRIVEN_HEADER


class Redrive:
    """Sends dead letters to the posts topic: the original bytes, key and headers.

    One that does not hold all of the original is never sent: it would be another message. Each carries a
    `REDRIVEN_HEADER`. One that comes back with it is left, or a redrive that runs often would send it for ever.

    What was sent is noted on the broker as the committed offset of one consumer group per reason, so that another
    redrive, of this reason or of all, does not send it again.

    Parameters
    ----------
    kafka : KafkaConfig
        Which cluster.
    reason : str or None
        Only dead letters with this reason.
    limit : int or None
        At most so many.
    again : bool
        Send those that came back from an earlier redrive too.
    timeout_s : float
        How long Kafka may take for each answer.

    Attributes
    ----------
    n_not_whole : int
        Dead letters that were left, since they do not hold all of the original.
    n_came_back : int
        Dead letters that were left, since an earlier redrive has sent them already.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        reason: str | None = None,
        limit: int | None = None,
        *,
        again: bool = False,
        timeout_s: float = 15.0,
    ) -> None:
        self._kafka = kafka
        self._reason = reason
        self._limit = limit
        self._again = again
        self._timeout_s = timeout_s
        self._progress: dict[str, _Progress] = {}
        self.n_not_whole = 0
        self.n_came_back = 0

    def run(self, publisher: Publisher) -> Iterator[Outcome]:
        """Publish, and yield each dead letter when it was acknowledged and noted.

        Raises
        ------
        PublishError
            One was not acknowledged. It and those behind it are not noted.
        KafkaUnavailable
            Kafka does not answer.
        """
        n_sent = 0
        with Outcomes(self._kafka, start="beginning", kinds=("dead_letter",), timeout_s=self._timeout_s) as letters:
            for letter in letters.read_to_end():
                if n_sent == self._limit:
                    return
                if self._is_due(letter):
                    self._send(publisher, letter)
                    n_sent += 1
                    yield letter

    def _is_due(self, letter: Outcome) -> bool:
        reason = letter.header(REASON_HEADER) or "none"
        if letter.left_out:
            self.n_not_whole += self._reason in (None, reason)
            return False
        if self._reason not in (None, reason) or letter.offset < self._of(reason).next_offset(letter.partition):
            return False
        if letter.n_redriven and not self._again:
            self.n_came_back += 1
            return False
        return True

    def _send(self, publisher: Publisher, letter: Outcome) -> None:
        headers = [(name, value) for name, value in letter.headers if not name.startswith("sluice-")]
        headers.append((REDRIVEN_HEADER, str(letter.n_redriven + 1).encode()))
        publisher.publish_bytes(letter.value, letter.key, headers)
        publisher.flush()
        self._of(letter.header(REASON_HEADER) or "none").note(letter.partition, letter.offset + 1)

    def _of(self, reason: str) -> _Progress:
        if reason not in self._progress:
            self._progress[reason] = _Progress(self._kafka, reason, self._timeout_s)
        return self._progress[reason]

    def __enter__(self) -> Redrive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for progress in self._progress.values():
            progress.close()


class _Progress:
    """How far the dead letters of one reason were sent: a consumer group's committed offsets."""

    def __init__(self, kafka: KafkaConfig, reason: str, timeout_s: float) -> None:
        self._kafka = kafka
        self._timeout_s = timeout_s
        self._consumer = Consumer(consumer_properties(kafka, f"sluice-redrive-{reason}"))
        self._next: dict[int, int] = {}

    def next_offset(self, partition: int) -> int:
        """The first offset that was not sent."""
        if partition not in self._next:
            place = Partition(self._kafka.topics.dead_letters, partition)
            self._next[partition] = max(self._ask(place).offset, 0)
        return self._next[partition]

    def _ask(self, place: Partition) -> Partition:
        try:
            return self._consumer.committed([place], timeout=self._timeout_s)[0]
        except KafkaException as error:
            raise self._error(error) from error

    def note(self, partition: int, next_offset: int) -> None:
        """Commit that everything before `next_offset` was sent."""
        self._next[partition] = next_offset
        place = Partition(self._kafka.topics.dead_letters, partition, next_offset)
        try:
            self._consumer.commit(offsets=[place], asynchronous=False)
        except KafkaException as error:
            raise self._error(error) from error

    def _error(self, error: KafkaException) -> KafkaUnavailable:
        return KafkaUnavailable(f"Kafka at {self._kafka.bootstrap} does not keep offsets: {error.args[0].str()}")

    def close(self) -> None:
        self._consumer.close()
