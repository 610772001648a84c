"""Runs the reports of the registry."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from sluice.errors import SettingsError
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.registry import REPORTS
from sluice_models.measure.report import Evaluation, Report
from sluice_models.measure.summary import Headlines

SUMMARY = Headlines.name
"""The report whose table picks figures out of all others'."""


def choose_reports(names: Sequence[str]) -> list[Report[Any]]:
    """Those of these names, or all of them.

    Raises
    ------
    SettingsError
        If there is none of a name, or its table is made of others'.
    """
    alone = {report.name: report for report in REPORTS if report.name != SUMMARY}
    for name in names:
        if name not in alone:
            raise SettingsError(f"{name!r} is not a report that is measured alone; those are {', '.join(alone)}")
    return [alone[name] for name in names] or list(REPORTS)


def evaluate_all(context: EvaluationContext, console: Console, reports: Sequence[Report[Any]]) -> Evaluation:
    """Measure these reports; raises `SettingsError` if the bundle is missing, `EncoderFileError` if a model is."""
    start_s = time.monotonic()
    rows: dict[str, tuple[Any, ...]] = {}
    for report in reports:
        console.print(f"{time.monotonic() - start_s:4.0f} s  {report.title}")
        rows[report.name] = tuple(report.measure(context))
    console.print(f"{time.monotonic() - start_s:4.0f} s  done")
    return Evaluation(context.split, rows)
