"""What is known of one author, counted from the topics: for a command, which has no history of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from sluice.client.messages import Place
from sluice.config import KafkaConfig
from sluice.history.config import HistoryConfig
from sluice.history.counts import Moment
from sluice.history.erasures import Erasure
from sluice.history.events import Event
from sluice.history.reading import HistoryReader, topics_of_history
from sluice.history.remembered import RememberedAuthors
from sluice.kafka import ensure_topics
from sluice.metrics import Metrics
from sluice.schema import AuthorHistory


@dataclass(frozen=True, slots=True)
class OneAuthor:
    """Folds what happened to one author, and nothing else."""

    authors: RememberedAuthors
    tenant: str | None
    author: str

    @property
    def offsets(self) -> Mapping[Place, int]:
        """See `RememberedAuthors.offsets`."""
        return self.authors.offsets

    def fold(self, events: Iterable[Event], offsets: Mapping[Place, int]) -> None:
        """See `RememberedAuthors.fold`."""
        mine = [event for event in events if (event.tenant, event.author) == (self.tenant, self.author)]
        self.authors.fold(mine, offsets)

    def forget(self, erasure: Erasure) -> None:
        """See `RememberedAuthors.forget`."""
        self.authors.forget(erasure)


def read_author(
    kafka: KafkaConfig, config: HistoryConfig, tenant: str | None, author: str, at_ms: int, timeout_s: float
) -> AuthorHistory:
    """Read the topics of verdicts and reports, made if they are missing, and count; raises `KafkaUnavailable`."""
    ensure_topics(kafka, timeout_s, topics_of_history(kafka.topics))
    authors = RememberedAuthors(replace(config, key=config.key or secrets.token_bytes(), folder=None))
    metrics = Metrics(CollectorRegistry())
    reader = HistoryReader(kafka, OneAuthor(authors, tenant, author), metrics, timeout_s)
    try:
        reader.read_to_end()
    finally:
        reader.close()
    return authors.count(tenant, author, Moment(at_ms))
