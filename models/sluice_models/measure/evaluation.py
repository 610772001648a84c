"""Runs every report of the registry."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console

from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.registry import REPORTS
from sluice_models.measure.report import Evaluation


def evaluate_all(context: EvaluationContext, console: Console) -> Evaluation:
    """Measure everything; raises `SettingsError` if bundle, checkpoints or policy are missing."""
    start_s = time.monotonic()
    rows: dict[str, tuple[Any, ...]] = {}
    for report in REPORTS:
        console.print(f"{time.monotonic() - start_s:4.0f} s  {report.title}")
        rows[report.name] = tuple(report.measure(context))
    console.print(f"{time.monotonic() - start_s:4.0f} s  done")
    return Evaluation(context.split, rows)
