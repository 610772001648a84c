"""How many harmless posts of a kind are flagged: what the tables of everyday pictures and sounds are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sluice.intervals import Floats
from sluice_models.data.bundle import Example
from sluice_models.measure.context import DecisionThresholds
from sluice_models.measure.report import Columns, Table, permille
from sluice_models.measure.scores import find_reached

MADE, RECORDED = "made by program", "recorded"


@dataclass(frozen=True)
class AlarmRow:
    """How many harmless posts of a kind reach review, and block, on any label; shares in [0, 1]."""

    kind: str
    origin: str
    n_posts: int
    reviewed: float
    blocked: float


def count_everyday_alarms(kind: str, origin: str, scores: Floats, thresholds: DecisionThresholds) -> AlarmRow:
    """Shares of rows, whose scores have shape = (n, labels)."""
    reviewed, blocked = (find_reached(scores, each).any(axis=1) for each in (thresholds.review, thresholds.block))
    return AlarmRow(kind, origin, len(scores), float(reviewed.mean()), float(blocked.mean()))


def find_harmless(examples: Iterable[Example]) -> dict[str, list[Example]]:
    """Pictures or clips that are known to show no harm, by data set."""
    found: dict[str, list[Example]] = {}
    for example in examples:
        if not (example.targets == 1).any():
            found.setdefault(example.source, []).append(example)
    return found


def tabulate_alarms(name: str, heading: str, rows: Iterable[AlarmRow]) -> Table[AlarmRow]:
    """A table of the card; `heading` says what the kinds are of."""
    columns: Columns[AlarmRow] = {
        heading: lambda row: row.kind,
        "origin": lambda row: row.origin,
        "n": lambda row: row.n_posts,
        "reach review": lambda row: permille(row.reviewed),
        "reach block": lambda row: permille(row.blocked),
    }
    return Table(name, columns, rows)
