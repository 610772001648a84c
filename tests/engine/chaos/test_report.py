"""What a chaos run is judged by, and how it is shown."""

from __future__ import annotations

import io
import json
from typing import Any, cast

import pytest
from rich.console import Console

from sluice.chaos.histories import HistoryRecord
from sluice.chaos.report import ChaosReport, FaultRecord, ScenarioRecord, make_tables

PASSED: dict[str, Any] = {
    "minutes": 2.0,
    "seed": 1,
    "n_workers": 2,
    "n_posts": 100,
    "n_lost": 0,
    "n_duplicates": 3,
    "n_different": 0,
    "different_fields": ("scores",),
    "n_late": 1,
    "n_dead_letters": 2,
    "n_unexpected_dead_letters": 0,
    "faults": (FaultRecord("broker killed", 1.0, 2.0, 3.0), FaultRecord("broker killed", 9.0, 2.0, 5.0)),
    "scenarios": (ScenarioRecord("ordered", False, 10, 0), ScenarioRecord("unordered", True, 10, 4)),
    "peak_memory_mb": {"worker": 250.0},
}


def show(report: ChaosReport) -> str:
    console = Console(width=160, file=io.StringIO())
    for table in make_tables(report):
        console.print(table)
    return cast(io.StringIO, console.file).getvalue()


def test_a_run_without_losses_whose_controls_lose_has_no_problems() -> None:
    assert ChaosReport(**PASSED).problems == []


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("n_lost", 2, "2 posts were lost"),
        ("n_different", 1, "1 posts have verdicts that differ in scores"),
        ("n_unexpected_dead_letters", 5, "5 posts became dead letters"),
        ("faults", (FaultRecord("Triton killed", 7.0, 0.0, None),), "no recovery"),
        ("faults", (FaultRecord("Triton killed", 7.0, 0.0, 31.0),), "no recovery"),
        ("histories", (HistoryRecord("worker-1", 9, 2, 5, 1),), "worker-1: 1 of what it remembers"),
        ("histories", (HistoryRecord("worker-1", 0, 0, 0, 0),), "worker-1: 0 of what it remembers"),
        ("scenarios", (ScenarioRecord("unordered", True, 10, 0),), "could not have seen a loss"),
        ("scenarios", (ScenarioRecord("ordered", False, 10, 1),), "1 posts lost behind a stuck head"),
    ],
)
def test_each_thing_that_must_not_be_is_a_problem(field: str, value: object, problem: str) -> None:
    [found] = ChaosReport(**{**PASSED, field: value}).problems
    assert problem in found


def test_json_holds_the_counts_and_the_problems() -> None:
    written = json.loads(ChaosReport(**{**PASSED, "n_lost": 1}).to_json())
    assert written["n_lost"] == 1
    assert written["problems"] == ["1 posts were lost"]
    assert written["faults"][0] == {"kind": "broker killed", "at_s": 1.0, "lasted_s": 2.0, "recovery_s": 3.0}


def test_tables_show_median_and_worst_recovery() -> None:
    text = show(ChaosReport(**PASSED))
    assert "4.0 s" in text
    assert "5.0 s" in text
    assert "unordered" in text


def test_a_fault_without_recovery_is_shown_as_such() -> None:
    report = ChaosReport(**{**PASSED, "faults": (FaultRecord("Triton killed", 7.0, 0.0, None),)})
    assert show(report).count("never") == 2
