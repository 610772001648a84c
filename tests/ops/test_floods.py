"""The command that floods a worker says what came of it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from sluice.memory_plan import MemoryPlan
from tests.integration.floods import Report

COMMAND = runpy.run_path(str(Path(__file__).parents[2] / "ops" / "bench" / "floods.py"))


def test_the_table_has_a_column_for_every_figure() -> None:
    row = Report("late media", 600, 600, 12.34, 999.6, [20.0, 10.0, 30.0]).as_dict()
    header, line = COMMAND["as_line"]({name: name for name in row}), COMMAND["as_line"](row)
    assert header.split() == ["flood", "posts", "outcomes", "seconds", "peak_mb", "texts", "p50_ms", "p99_ms"]
    assert line.split() == ["late", "media", "600", "600", "12.3", "1000", "3", "20", "30"]
    assert len(header) == len(line)


@pytest.mark.parametrize(
    ("n_outcomes", "peak_mb", "is_sound"), [(600, 10.0, True), (599, 10.0, False), (600, MemoryPlan.total_mb, False)]
)
def test_a_post_without_an_outcome_and_a_peak_over_the_limit_are_faults(
    n_outcomes: int, peak_mb: float, is_sound: bool
) -> None:
    assert COMMAND["is_sound"](Report("f", 600, n_outcomes, 1.0, peak_mb).as_dict()) is is_sound
