"""How the HTTP server is set up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sluice.config import KafkaConfig
from sluice.jobs.requests import NO_PLACES, Places


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Settings of the HTTP server.

    Attributes
    ----------
    keys_file : Path or None
        Whose keys may call; None lets everybody.
    max_in_flight : int
        Posts that are scored at once.
    max_body_bytes : int
        Of one request; media inside it included.
    max_bodies_bytes : int
        Of all requests under way together.
    max_connections : int
        Open at once.
    head_timeout_s : float
        Seconds that the head of a request may take to arrive.
    body_timeout_s : float
        Seconds that its body may take after that.
    cors_origins : tuple of str
        Origins whose pages may call from a browser; none by default.
    kafka : KafkaConfig or None
        Whose policies topic is followed, and written to by whoever has a key for it; None for no Kafka at all.
    places : Places
        Files of the server that jobs use.
    """

    keys_file: Path | None = None
    max_in_flight: int = 256
    max_body_bytes: int = 16 * 2**20
    max_bodies_bytes: int = 256 * 2**20
    max_connections: int = 4096
    head_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    cors_origins: tuple[str, ...] = ()
    kafka: KafkaConfig | None = None
    places: Places = NO_PLACES
