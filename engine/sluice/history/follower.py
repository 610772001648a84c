"""Keeps a process's history that of the topics: read to their end before work starts, and followed from then on.

Not a Faust table. An author's posts lie in all partitions, since a post's key is its own id, and a table has a part for
each partition of its source; its changelog and the offsets that it was made from are not written as one, so that
a kill counts twice; and it is recovered at each rebalance, while posts wait. Here the verdicts topic is the changelog:
every worker folds all of it, keeps the result beside the offsets in one write, and is so a replica of every other.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from sluice.config import KafkaConfig
from sluice.history.answering import AnsweringAuthors
from sluice.history.config import HistoryConfig
from sluice.history.reading import HistoryReader, topics_of_history
from sluice.history.remembered import RememberedAuthors
from sluice.kafka import TopicIds, ensure_topics
from sluice.metrics import Metrics
from sluice.verdict.policy_file import PolicyFile
from sluice.verdict.policy_set import PolicySet

logger = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Before what could not be written is tried again."""


@asynccontextmanager
async def remembering(
    kafka: KafkaConfig,
    config: HistoryConfig,
    policies: PolicyFile,
    metrics: Metrics,
    timeout_s: float,
    group: str | None = None,
) -> AsyncIterator[RememberedAuthors | None]:
    """The history while this lasts, complete when it begins; None without a key.

    Without one, policies whose rules ask for it are named in the log.

    Parameters
    ----------
    group : str or None
        Of the workers, if this is one: whoever erases somebody waits for each of them.

    Raises
    ------
    KafkaUnavailable
        The topics could not be read.
    SettingsError
        The folder cannot be opened.
    """
    if not config.key:
        policies.used_by(_warn_of_blind_rules)
        _warn_of_blind_rules(policies.current)
        yield None
        return
    authors = await asyncio.to_thread(open_authors, kafka, config, timeout_s)
    try:
        answering = AnsweringAuthors(authors, kafka, group, timeout_s)
        reader = await asyncio.to_thread(partial(HistoryReader, kafka, answering, metrics, timeout_s))
        try:
            await _catch_up(reader)
            follower = _Follower(reader)
            follower.start()
            try:
                yield authors
            finally:
                follower.stop()
                await asyncio.to_thread(follower.join)
        finally:
            reader.close()
    finally:
        authors.close()


def open_authors(kafka: KafkaConfig, config: HistoryConfig, timeout_s: float) -> RememberedAuthors:
    """The history of these topics, as it was left; they are made if they are missing."""
    topics = topics_of_history(kafka.topics)
    ensure_topics(kafka, timeout_s, topics)
    ids = () if kafka.embedded else tuple(TopicIds(kafka).read(topic) or "" for topic in topics)
    return RememberedAuthors(config, (*topics, *ids))


def _warn_of_blind_rules(policies: PolicySet) -> None:
    if policies.reads_of_author:
        names = ", ".join(f"author.{name}" for name in policies.reads_of_author)
        logger.warning("rules ask for %s, which is 0 for everybody: no history is kept (SLUICE_HISTORY_KEY)", names)


async def _catch_up(reader: HistoryReader) -> None:
    began = time.monotonic()
    n_read = await asyncio.to_thread(reader.read_to_end)
    logger.info("the history is complete: %d messages read in %.1f s", n_read, time.monotonic() - began)


class _Follower(threading.Thread):
    """Folds what comes, beside the scoring."""

    def __init__(self, reader: HistoryReader) -> None:
        super().__init__(name="history", daemon=True)
        self._reader = reader
        self._stopped = threading.Event()

    def run(self) -> None:
        """Follow until stopped."""
        while not self._stopped.is_set():
            try:
                self._reader.poll()
            except Exception as error:  # a full disk, say: what was not written is read again
                logger.error("the history stands still, trying again: %s", type(error).__name__)
                self._stopped.wait(PAUSE_S)
                self._reader.resume()

    def stop(self) -> None:
        """End after the next look."""
        self._stopped.set()
