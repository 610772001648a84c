"""Verdicts and latencies for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from sluice.cli.console import printable
from sluice.metrics import STAGES
from sluice.schema import Verdict

if TYPE_CHECKING:
    from rich.table import Table

STYLES = {"allow": "green", "review": "yellow", "block": "red"}


def describe_verdict(verdict: Verdict) -> str:
    """A verdict on one line."""
    urgency = "" if verdict.urgency == "none" else verdict.urgency
    parts = [verdict.post_id, verdict.decision, urgency, top_reason(verdict), failed_parts(verdict), total_ms(verdict)]
    return printable("  ".join(part for part in parts if part))


def top_reason(verdict: Verdict) -> str:
    """The first reason, which asks for the strictest decision, such as ``threat 0.97``."""
    if not verdict.reasons:
        return ""
    top = verdict.reasons[0]
    return f"{top.label} {top.score:.2f}"


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
    """An empty table of outcomes: post, decision, reason, failed parts, milliseconds."""
    from rich.table import Table

    table = Table("post", "decision", "reason", "not scored")
    table.add_column("ms", justify="right", no_wrap=True)
    return table


def add_verdict(table: Table, title: str, verdict: Verdict) -> None:
    """Add a row for a scored post."""
    from rich.markup import escape

    style = STYLES[verdict.decision]
    decision = f"[{style}]{verdict.decision}[/{style}]"
    total = f"{verdict.latency_ms.get('total', 0.0):.1f}"
    table.add_row(
        escape(printable(title)), decision, top_reason(verdict), escape(printable(failed_parts(verdict))), total
    )


def add_dead_letter(table: Table, title: str, reason: str) -> None:
    """Add a row for a message that was no post."""
    from rich.markup import escape

    table.add_row(escape(printable(title)), "[magenta]dead letter[/magenta]", escape(printable(reason)), "", "")
