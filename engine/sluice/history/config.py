"""How much of an author is remembered, and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class HistoryConfig:
    """Settings of the history.

    Attributes
    ----------
    key : bytes
        Secret under which authors' names are hashed; empty keeps no history.
    folder : Path or None
        Where it is kept from one start to the next; None keeps it in memory.
    half_life_h : float
        Hours after which a strike counts for half as much.
    days : float
        After which a strike is forgotten. The verdicts topic has to hold as many, or a worker that starts without its
        folder knows less than the others.
    """

    key: bytes = field(default=b"", repr=False)
    folder: Path | None = None
    half_life_h: float = 72.0
    days: float = 7.0
