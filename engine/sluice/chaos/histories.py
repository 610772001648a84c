"""Whether what workers remember of authors after all those faults is what a recount of the topics says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import msgspec

from sluice.config import KafkaConfig
from sluice.history.config import HistoryConfig
from sluice.history.follower import open_authors
from sluice.history.recount import compare

SECRET = "chaos"  # noqa: S105  (of topics that end with the run)
TIMEOUT_S = 60.0


class HistoryRecord(msgspec.Struct, frozen=True):
    """One worker's history beside a recount of the topics, as far as the worker had read them.

    Attributes
    ----------
    n_messages : int
        That it had read.
    n_authors, n_entries : int
        In the recount.
    n_different : int
        Sets of entries that differ.
    """

    worker: str
    n_messages: int
    n_authors: int
    n_entries: int
    n_different: int

    @property
    def is_as_counted(self) -> bool:
        """Whether it is what a recount says, and says anything at all."""
        return self.n_different == 0 < self.n_messages


def worker_settings(folder: Path) -> dict[str, str]:
    """Settings of a worker that keeps its history in a folder; none without the extra ``history``."""
    if find_spec("rocksdict") is None:
        return {}
    return {"SLUICE_HISTORY_KEY": SECRET, "SLUICE_HISTORY_DIR": str(folder)}


def audit_histories(kafka: KafkaConfig, folders: Iterable[tuple[str, Path]]) -> Iterator[HistoryRecord]:
    """Compare what is in the folders of workers that have ended, by the workers' names; raises `KafkaUnavailable`."""
    for worker, folder in folders:
        config = HistoryConfig(SECRET.encode(), folder)
        authors = open_authors(kafka, config, TIMEOUT_S)
        try:
            n_messages, found = sum(authors.offsets.values()), compare(kafka, config, authors, TIMEOUT_S)
        finally:
            authors.close()
        yield HistoryRecord(worker, n_messages, found.n_authors, found.n_entries, found.n_different)
