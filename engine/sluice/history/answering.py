"""Tells whoever erases somebody that this process has forgotten them."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from sluice.client.compacted import write_records
from sluice.client.messages import Place
from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable
from sluice.history.erasures import Erasure, Forgotten
from sluice.history.events import Event
from sluice.history.remembered import RememberedAuthors

logger = logging.getLogger(__name__)

AWAITED_MS = 600_000
"""After so long nobody waits for an answer: a process that starts reads old erasures once more."""


@dataclass(frozen=True, slots=True)
class AnsweringAuthors:
    """A history that answers erasures; see `sluice.history.reading.Folding`.

    Attributes
    ----------
    group : str or None
        Of the workers, if this is one.
    timeout_s : float
        For the brokers to take an answer.
    """

    authors: RememberedAuthors
    kafka: KafkaConfig
    group: str | None
    timeout_s: float

    @property
    def offsets(self) -> Mapping[Place, int]:
        """See `RememberedAuthors.offsets`."""
        return self.authors.offsets

    def fold(self, events: Iterable[Event], offsets: Mapping[Place, int]) -> None:
        """See `RememberedAuthors.fold`."""
        self.authors.fold(events, offsets)

    def forget(self, erasure: Erasure) -> None:
        """Forget, look once more, and say what came of it."""
        n_erased = self.authors.forget(erasure)
        logger.info("erasure %s: %d entries of the history went", erasure.id, n_erased)
        if time.time() * 1000 - erasure.until_ms < AWAITED_MS:
            self._answer(Forgotten(
                id=erasure.id, by=f"{socket.gethostname()}/{os.getpid()}", group=self.group, n_erased=n_erased,
                n_left=self.authors.count_named(erasure),
            ))  # fmt: skip

    def _answer(self, forgotten: Forgotten) -> None:
        """Whoever erases is told by the lack of an answer; the history itself is right without one."""
        try:
            record = forgotten.id.encode(), msgspec.json.encode(forgotten)
            write_records(self.kafka, self.kafka.topics.erasures, [record], self.timeout_s)
        except KafkaUnavailable as error:
            logger.warning("erasure %s is done, and the answer could not be written: %s", forgotten.id, error)
