"""Where a client finds Kafka and puts media: as it is told, as the environment says, or in the stack that runs here."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from sluice.config import KafkaConfig
from sluice.errors import SettingsError
from sluice.kafka import recognise
from sluice.local.running import find_running
from sluice.media.store import MediaStore, open_store
from sluice.settings import data_folder, load_settings

MAX_CONNECT_S = 10.0
"""A person waits; a worker may wait longer for its Kafka."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a client finds Kafka and puts media.

    Attributes
    ----------
    media_store : str
        Directory or fsspec URL.
    timeout_s : float
        How long to wait for Kafka's first answer.
    """

    kafka: KafkaConfig
    media_store: str
    timeout_s: float

    def recognised(self) -> Connection:
        """The same, with what Kafka says of itself; raises `KafkaUnavailable` if it does not answer."""
        return replace(self, kafka=recognise(self.kafka, self.timeout_s))

    def open_store(self) -> MediaStore:
        """The media store; raises `SettingsError` if it is none."""
        try:
            return open_store(self.media_store)
        except (ImportError, OSError, ValueError) as error:
            raise SettingsError(f"SLUICE_MEDIA_STORE: {self.media_store}: {error}") from error


def find_connection(bootstrap: str | None = None) -> Connection:
    """What the environment's settings say, with Kafka at another address if one is given.

    If neither says where Kafka is, it is that of the ``sluice up`` that runs on this machine, if one does.

    Parameters
    ----------
    bootstrap : str or None
        ``host:port`` pairs, separated by commas.

    Raises
    ------
    SettingsError
        A variable is wrong; names it.
    """
    settings = load_settings(os.environ)
    store = settings.media_store
    if not bootstrap and not os.environ.get("SLUICE_KAFKA"):
        running = find_running(notes_folder())
        if running is not None:
            bootstrap = running.kafka
            store = os.environ.get("SLUICE_MEDIA_STORE") or running.media_store
    kafka = replace(settings.kafka, bootstrap=bootstrap) if bootstrap else settings.kafka
    return Connection(kafka, store, min(settings.start_timeout_s, MAX_CONNECT_S))


def notes_folder() -> Path:
    """Where stacks that run leave their notes; see `note_running`."""
    return data_folder() / "running"
