"""Verdicts and latencies for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from sluice.cli.console import printable
from sluice.metrics import STAGES
from sluice.schema import AudioEvidence, Evidence, ImageEvidence, TextEvidence, Verdict

if TYPE_CHECKING:
    from rich.table import Table

STYLES = {"allow": "green", "review": "yellow", "block": "red"}

MAX_SHOWN = 60
"""Characters of a text in a cell."""


def describe_verdict(verdict: Verdict) -> str:
    """A verdict on one line, as long as it takes: when, which post, what was decided and why, where, how long."""
    urgency = "" if verdict.urgency == "none" else verdict.urgency
    parts = [verdict.scored_at, verdict.post_id, verdict.decision, urgency, all_reasons(verdict), evidence(verdict),
             failed_parts(verdict), total_ms(verdict)]  # fmt: skip
    return printable("  ".join(part for part in parts if part))


def all_reasons(verdict: Verdict) -> str:
    """Every reason, that which asks for the strictest decision first, such as ``threat 0.97, violence 0.61``."""
    labels = (f"{reason.name or reason.label} {reason.score:.2f}" for reason in verdict.reasons)
    return ", ".join([*labels, *(f"rule {reason.rule}" for reason in verdict.rules)])


def evidence(verdict: Verdict, text: str | None = None) -> str:
    """Where the reasons were seen, each place once: words or their places, boxes in percent, seconds.

    Parameters
    ----------
    text : str or None
        The post's, whose words are quoted; without it their places are given.
    """
    places = (place for reason in verdict.reasons for place in reason.evidence)
    return ", ".join(dict.fromkeys(_place(place, text) for place in places))


def _place(place: Evidence, text: str | None) -> str:
    match place:
        case TextEvidence(start, end):
            return f"text {start}-{end}" if text is None else f'"{shorten(text[start:end])}"'
        case ImageEvidence(index, box):
            left, top, right, bottom = (round(100 * side) for side in box)
            return f"image:{index} {left}-{right} x {top}-{bottom} %"
        case AudioEvidence(index, start_s, end_s):
            return f"audio:{index} {start_s:.1f}-{end_s:.1f} s"


def shorten(text: str) -> str:
    """A text on one line, its beginning where it is long; in ASCII, for terminals that know nothing else."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_SHOWN else f"{line[: MAX_SHOWN - 3]}..."


def failed_parts(verdict: Verdict) -> str:
    """The parts that were not scored, or not to their end, and why."""
    return "; ".join(f"{part} {status}" for part, status in verdict.modalities.items() if status != "ok")


def total_ms(verdict: Verdict) -> str:
    """How long the post took, from being published to its verdict."""
    return f"{verdict.latency_ms.get('total', 0.0):.1f} ms"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed (nearest rank).

    Parameters
    ----------
    values : sequence of float
        Not empty.
    share : float
        In (0, 1]: 0.5 for the median.
    """
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered) - 1e-9) - 1]


def collect_stages(verdicts: Iterable[Verdict]) -> dict[str, list[float]]:
    """Milliseconds of each post per stage, in the order of the stages, and their total."""
    stages: dict[str, list[float]] = {stage: [] for stage in (*STAGES, "total")}
    for verdict in verdicts:
        for stage, values in stages.items():
            if stage in verdict.latency_ms:
                values.append(verdict.latency_ms[stage])
    return stages


def make_latency_table(stages_ms: Mapping[str, Sequence[float]]) -> Table:
    """p50 and p99 of each stage; stages without values are left out."""
    from rich.table import Table

    table = Table("stage", title="latency, ms", title_justify="left")
    table.add_column("p50", justify="right")
    table.add_column("p99", justify="right")
    for stage, values in stages_ms.items():
        if values:
            table.add_row(stage, f"{percentile(values, 0.5):.1f}", f"{percentile(values, 0.99):.1f}")
    return table


def make_outcome_table() -> Table:
    """An empty table of outcomes."""
    from rich.table import Table

    table = Table("post", "text", "decision", "reasons", "evidence", "not scored")
    table.add_column("ms", justify="right", no_wrap=True)
    return table


def add_verdict(table: Table, title: str, verdict: Verdict, text: str | None = None) -> None:
    """Add a row for a scored post; `text` is the post's."""
    style = STYLES[verdict.decision]
    total = f"{verdict.latency_ms.get('total', 0.0):.1f}"
    seen = evidence(verdict, text)
    cells = [title, shorten(text or ""), all_reasons(verdict), seen, failed_parts(verdict)]
    title, shown, reasons, seen, unscored = (_plain(cell) for cell in cells)
    table.add_row(title, shown, f"[{style}]{verdict.decision}[/{style}]", reasons, seen, unscored, total)


def add_dead_letter(table: Table, title: str, reason: str) -> None:
    """Add a row for a message that was no post."""
    table.add_row(_plain(title), "", "[magenta]dead letter[/magenta]", _plain(reason), "", "", "")


def _plain(text: str) -> str:
    """Text of others as a cell: nothing in it steers the table or the terminal."""
    from rich.markup import escape

    return escape(printable(text))
