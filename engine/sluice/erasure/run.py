"""An erasure from beginning to end: find, take out, look again."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial

from sluice.audit.following import AuditFollower
from sluice.audit.log import AuditLog
from sluice.client.compacted import now
from sluice.config import KafkaConfig
from sluice.erasure.audit import Hits, erase_from_log, find_in_log, learn_from_log
from sluice.erasure.compacted import (
    NamedIn,
    find_in_lists,
    find_in_policies,
    lists_hold,
    policies_hold,
    take_from_list,
    take_from_policies,
)
from sluice.erasure.histories import Histories
from sluice.erasure.media import StoredMedia, find_stored
from sluice.erasure.report import Report, Row
from sluice.erasure.subjects import Subject
from sluice.erasure.superseded import Holds, Superseded
from sluice.erasure.topics import Look, Topics
from sluice.errors import KafkaUnavailable
from sluice.kafka import TopicNames
from sluice.watching.lists import open_desk
from sluice.webhooks.config import WebhookConfig

NAMED = "it is in force and names the author: push a version that does not, and run this again"


@dataclass(frozen=True, slots=True)
class Places:
    """Where there may be something.

    Attributes
    ----------
    group : str
        Of the worker.
    topics : tuple of str
        Further ones, whose messages are like ours.
    logs : tuple of AuditLog
        Nobody else writes to them meanwhile.
    history_key : bytes
        Secret of the workers' histories; empty without any.
    """

    kafka: KafkaConfig
    group: str
    media: StoredMedia
    topics: tuple[str, ...] = ()
    logs: tuple[tuple[str, AuditLog], ...] = ()
    history_key: bytes = field(default=b"", repr=False)
    timeout_s: float = 30.0


@dataclass(slots=True)
class _Seen:
    """One look at everything."""

    look: Look
    lists: dict[str, int]
    policies: list[NamedIn]
    records: dict[str, int]
    media: list[str]
    logs: dict[str, Hits]


class Erasure:
    """Finds somebody everywhere, and takes them out.

    Parameters
    ----------
    places : Places
    subject : Subject

    Raises
    ------
    KafkaUnavailable
        From every call. Then nothing is lost that belongs to others, and it may be tried again.
    """

    def __init__(self, places: Places, subject: Subject) -> None:
        self._places, self._subject = places, subject
        kafka = places.kafka
        if kafka.embedded:
            raise KafkaUnavailable("the embedded broker cannot delete: it forgets everything when it stops")
        self._there = TopicNames(kafka, places.timeout_s).read()
        self._topic_names = [name for name in dict.fromkeys(self._candidates()) if name in self._there]
        self._desk = open_desk(kafka, places.timeout_s)
        self._superseded = Superseded(kafka, places.timeout_s)
        self._histories = Histories(kafka, places.history_key, places.group, places.timeout_s)

    def _candidates(self) -> Iterable[str]:
        topics = self._places.kafka.topics
        yield from topics.of_posts()
        yield from (topics.posts_high, topics.feedback, topics.shadow, topics.decisions, topics.reports)
        yield WebhookConfig.dead_letters
        yield from self._places.topics

    def preview(self) -> Report:
        """What would be erased."""
        with ExitStack() as cleanup:
            topics = self._open(cleanup)
            rows = self._rows(self._see(topics))
            return self._report([*rows.values(), *self._histories.preview(self._subject)], "")

    def run(self) -> Report:
        """Erase, and look whether something is left."""
        with ExitStack() as cleanup:
            topics = self._open(cleanup)
            seen = self._see(topics)
            rows = self._rows(seen)
            asked = self._histories.ask(self._subject)  # first: only the topics know of which tenants they are
            if asked is not None:
                cleanup.enter_context(closing(asked))
            topics.erase(seen.look, rows)
            self._erase_others(seen, rows)
            self._look_again(topics, seen, rows)
            histories = asked.wait() if asked is not None else self._histories.preview(self._subject)
        return self._report([*rows.values(), *histories], now())

    def _open(self, cleanup: ExitStack) -> Topics:
        """The topics, after the logs have what is in them: nothing that is decided is missing there."""
        places = self._places
        for _, log in places.logs:
            followed = sorted({name for name, _ in log.places()} & self._there)
            if followed:
                with AuditFollower(places.kafka, log, followed, timeout_s=places.timeout_s) as follower:
                    follower.catch_up()
        topics = Topics(places.kafka, self._topic_names, places.group, places.timeout_s)
        cleanup.enter_context(closing(topics))
        cleanup.enter_context(closing(self._superseded))
        topics.learn(self._subject)
        for _, log in places.logs:
            learn_from_log(log, self._subject)
        return topics

    def _see(self, topics: Topics) -> _Seen:
        places, subject = self._places, self._subject
        look = topics.look(subject)
        kafka = places.kafka
        return _Seen(
            look=look,
            lists=find_in_lists(self._desk, subject) if kafka.topics.lists in self._there else {},
            policies=self._find_policies() if kafka.topics.policies in self._there else [],
            records={name: self._superseded.count(name, holds) for name, holds in self._compacted().items()},
            media=find_stored(places.media, subject.uris, look.kept_uris),
            logs={name: find_in_log(log, subject) for name, log in places.logs},
        )

    def _find_policies(self) -> list[NamedIn]:
        return find_in_policies(self._places.kafka, self._subject, self._places.timeout_s)

    def _compacted(self) -> dict[str, Holds]:
        """Topics whose records, replaced ones included, may name the author, and how they do."""
        topics, subject = self._places.kafka.topics, self._subject
        known = {topics.lists: partial(lists_hold, subject), topics.policies: partial(policies_hold, subject)}
        return {name: holds for name, holds in known.items() if subject.author and name in self._there}

    def _rows(self, seen: _Seen) -> dict[str, Row]:
        rows = {name: Row(kind="topic", where=name, found=seen.look.count(name)) for name in self._topic_names}
        for name, count in seen.lists.items():
            rows[f"list {name}"] = Row(kind="list", where=name, found=count)
        for each in seen.policies:
            where = f"{each.policy} {each.version}"
            rows[f"policy {where}"] = Row(kind="policy", where=where, found=1, note=NAMED if each.is_in_force else "")
        for name, count in seen.records.items():
            rows[name] = Row(kind="topic", where=name, found=count)
        rows["media"] = Row(kind="media", where="media store", found=len(seen.media))
        for name, hits in seen.logs.items():
            rows[f"log {name}"] = Row(kind="audit log", where=name, found=_count(hits))
        return rows

    def _erase_others(self, seen: _Seen, rows: dict[str, Row]) -> None:
        for name, count in seen.lists.items():
            take_from_list(self._desk, name, self._subject)
            rows[f"list {name}"].erased = count
        self._erase_versions(seen, rows)
        for name, holds in self._compacted().items():
            self._erase_superseded(name, holds, rows[name])
        for uri in seen.media:
            self._places.media.delete(uri)
        rows["media"].erased = len(seen.media)
        for name, log in self._places.logs:
            rows[f"log {name}"].erased = erase_from_log(log, seen.logs[name])

    def _erase_versions(self, seen: _Seen, rows: dict[str, Row]) -> None:
        """Policies: those that nobody decides by."""
        gone = [each for each in seen.policies if not each.is_in_force]
        if gone:
            take_from_policies(self._places.kafka, gone, self._places.timeout_s)
        for each in gone:
            rows[f"policy {each.policy} {each.version}"].erased = 1

    def _erase_superseded(self, name: str, holds: Holds, row: Row) -> None:
        """What the rest of the erasure does not wait for: without leave it is left, and said."""
        try:
            row.erased = self._superseded.erase(name, holds)
        except KafkaUnavailable as error:
            row.note = f"until Kafka compacts the topic; {error}"

    def _look_again(self, topics: Topics, before: _Seen, rows: dict[str, Row]) -> None:
        after = self._see(topics)
        for name, row in self._rows(after).items():
            rows.setdefault(name, row).left = row.found
        stored = (uri for uri in before.media if self._places.media.has(uri))
        rows["media"].left = sum(1 for _ in stored)

    def _report(self, rows: list[Row], erased_at: str) -> Report:
        return Report(erased_at=erased_at, n_posts=len(self._subject.post_ids), rows=rows)


def _count(hits: Hits) -> int:
    return sum(map(len, hits.values()))
