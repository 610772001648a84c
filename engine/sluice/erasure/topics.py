"""The topics: where somebody is found in them, and how they are taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from confluent_kafka import Message

from sluice.client.messages import Place, headers_of
from sluice.config import KafkaConfig
from sluice.erasure.partitions import Found, Reading, Rewriter, committed_offsets
from sluice.erasure.report import Row
from sluice.erasure.subjects import Subject, Traces, read_traces


@dataclass(slots=True)
class Look:
    """What one look at the topics found.

    Attributes
    ----------
    found : dict of Place to Found
        Where there is something.
    kept_uris : set of str
        Media of posts of others.
    """

    found: dict[Place, Found] = field(default_factory=dict)
    kept_uris: set[str] = field(default_factory=set)

    def count(self, topic: str) -> int:
        """Messages in a topic."""
        return sum(len(found.offsets) for (name, _), found in self.found.items() if name == topic)


class Topics:
    """Those that keep messages for a time; compacted ones are others' business.

    Parameters
    ----------
    kafka : KafkaConfig
    names : sequence of str
        All of them are there.
    group : str
        Of the worker: what it has judged is not written to the posts topic once more.
    """

    def __init__(self, kafka: KafkaConfig, names: Sequence[str], group: str, timeout_s: float = 30.0) -> None:
        self._kafka, self._group, self._timeout_s = kafka, group, timeout_s
        self._reading = Reading(kafka, timeout_s)
        self.names = tuple(names)
        self._places = self._reading.places(names)

    def learn(self, subject: Subject) -> None:
        """Find out which posts are theirs, and of which tenants."""
        learn = dict.fromkeys((*self._kafka.topics.of_posts(), self._kafka.topics.posts_high), subject.learn)
        learn[self._kafka.topics.reports] = subject.learn_report
        for place in self._places:
            if place[0] in learn:
                for message in self._reading.messages(place):
                    learn[place[0]](_traces_of(message))

    def look(self, subject: Subject) -> Look:
        """Go through everything; once more after an erasure it finds nothing."""
        look = Look()
        for place in self._places:
            found = Found()
            for message in self._reading.messages(place):
                traces = _traces_of(message)
                found.note(message)
                if subject.is_in(traces, message.value()):
                    found.offsets.add(cast(int, message.offset()))
                else:
                    look.kept_uris.update(traces.uris)
            if found.offsets:
                look.found[place] = found
        return look

    def erase(self, look: Look, rows: dict[str, Row]) -> None:
        """Take out what a look found, and note it in the rows of the topics."""
        rewriter = Rewriter(self._kafka, self._reading, self._timeout_s)
        queues = (self._kafka.topics.posts, self._kafka.topics.posts_high)
        judged = self._judged([place for place in look.found if place[0] in queues])
        for place, found in look.found.items():
            row, begin = rows[place[0]], judged.get(place, 0)
            row.dropped += self._count_dropped(place, found, begin)
            row.copied += rewriter.rewrite(place, found, begin)
            row.erased += len(found.offsets)

    def _judged(self, places: list[Place]) -> dict[Place, int]:
        """How far the workers have come; those of the posts that come first are a group of their own."""
        high = self._kafka.topics.posts_high
        groups = {self._group: [each for each in places if each[0] != high]}
        groups[f"{self._group}-high"] = [each for each in places if each[0] == high]
        return {
            place: offset
            for group, theirs in groups.items()
            if theirs
            for place, offset in committed_offsets(self._kafka, group, theirs, self._timeout_s).items()
        }

    def _count_dropped(self, place: Place, found: Found, begin: int) -> int:
        end = min(begin, max(found.offsets))
        offsets = (cast(int, message.offset()) for message in self._reading.messages(place, before=end))
        return sum(offset not in found.offsets for offset in offsets) if end else 0

    def close(self) -> None:
        """Let go of the connection."""
        self._reading.close()


def _traces_of(message: Message) -> Traces:
    return read_traces(message.key(), message.value(), headers_of(message))
