"""The log's records once more on a topic, where whoever changes its files does not reach them.

The value is the line of the file: a body's bytes and their hash, without the private part, so that nothing there has to
be erased. The files come first: the topic never holds what the log does not. A process that is killed between them
leaves the topic behind, and the next one writes what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

import msgspec

from sluice.audit.log import AuditLog, read_body
from sluice.audit.records import FIRST, Line, read_lines
from sluice.audit.verifying import KnownHead
from sluice.client import open_topic
from sluice.client.compacted import Record, write_records
from sluice.client.messages import Place
from sluice.config import KafkaConfig
from sluice.errors import AuditError
from sluice.kafka import ensure_topics


class Mirror:
    """Keeps the topic as far as the log: catches up with it once, and then takes each file as it is written.

    Parameters
    ----------
    kafka : KafkaConfig
        Its audit topic is read to its end, and made if it is missing.
    log : AuditLog
    timeout_s : float
        How long to wait for Kafka.

    Raises
    ------
    KafkaUnavailable
        From every call.
    AuditError
        The log is not the one on the topic: another one, or changed since.
    """

    def __init__(self, kafka: KafkaConfig, log: AuditLog, timeout_s: float = 15.0) -> None:
        self._kafka, self._log, self._timeout_s = kafka, log, timeout_s
        ensure_topics(kafka, timeout_s, (kafka.topics.audit,))
        self._heads = {(head.topic, head.partition): head for head in read_heads(kafka, timeout_s)}
        for place in log.places():
            self._add(place, self._files_behind(place, self._head(place).offset))

    def add(self, place: Place, name: str) -> None:
        """Write the records of a file that was put at the end of a chain."""
        self._add(place, [name])

    def _add(self, place: Place, names: Iterable[str]) -> None:
        write_records(self._kafka, self._kafka.topics.audit, self._missing(place, names), self._timeout_s)

    def _head(self, place: Place) -> KnownHead:
        return self._heads.get(place, KnownHead(*place, -1, FIRST))

    def _missing(self, place: Place, names: Iterable[str]) -> Iterator[Record]:
        """Records of these files behind what the topic has of a chain, each of which follows the one before."""
        head = self._head(place)
        for name in names:
            for line in self._log.read_file(name):
                body = read_body(line, name)
                if body.offset <= head.offset:
                    continue
                if body.prev != head.hash:
                    raise AuditError(f"{name}: offset {body.offset} does not follow what the audit topic has")
                head = KnownHead(*place, body.offset, line.hash)
                yield _key(place), msgspec.json.encode(line)
        self._heads[place] = head

    def _files_behind(self, place: Place, offset: int) -> Iterator[str]:
        """Files of a chain without those that end before."""
        files = self._log.files(place)
        for name, following in zip_longest(files, files[1:]):
            if following is None or _first_offset(following) > offset + 1:
                yield name


def read_heads(kafka: KafkaConfig, timeout_s: float = 15.0) -> list[KnownHead]:
    """The last record of each chain that the topic has; raises `KafkaUnavailable` without the topic."""
    heads: dict[Place, KnownHead] = {}
    with open_topic(kafka, kafka.topics.audit, 0.0, timeout_s) as outcomes:
        for outcome in outcomes.read_to_end():
            for line in _read(outcome.value):
                body = read_body(line, kafka.topics.audit)
                heads[body.topic, body.partition] = KnownHead(body.topic, body.partition, body.offset, line.hash)
    return list(heads.values())


def _read(value: bytes | None) -> list[Line]:
    """None of what is not ours, or was changed."""
    try:
        return [line for line in read_lines(value or b"") if line.is_whole()]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def _first_offset(name: str) -> int:
    return int(name.rpartition("/")[2].partition(".")[0])


def _key(place: Place) -> bytes:
    return f"{place[0]}/{place[1]}".encode()
