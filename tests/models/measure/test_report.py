"""A report's table in Markdown, and the registry's loop."""

import math
from dataclasses import dataclass
from io import StringIO

import pytest
from rich.console import Console

from sluice_models.measure import evaluation
from sluice_models.measure.report import DASH, Evaluation, Report, Table, decimals, passed, percent, permille

pytestmark = pytest.mark.torch


@dataclass(frozen=True)
class Count:
    name: str
    n_rows: int


class Counts(Report[Count]):
    name, title = "counts", "counting"

    def measure(self, context):
        return (Count(context.split, n) for n in (1, 2))

    def tables(self, evaluation):
        yield Table(
            "counts", {"name": lambda row: row.name, "n": lambda row: row.n_rows}, evaluation.of(Counts), "none"
        )


class FakeContext:
    split = "val"


def test_reports_are_measured_in_their_order_and_say_what_they_do():
    said = StringIO()
    found = evaluation.evaluate_all(FakeContext(), Console(file=said, width=80), [Counts()])
    assert found.split == "val"
    assert found.of(Counts) == (Count("val", 1), Count("val", 2))
    assert "counting" in said.getvalue()


def test_a_table_has_a_line_per_row_under_its_headings():
    rows = (Count("one|two", 3), Count("three", 4))
    (table,) = Counts().tables(Evaluation("val", {"counts": rows}))
    assert table.markdown().splitlines() == ["| name | n |", "| --- | --- |", "| one/two | 3 |", "| three | 4 |"]


def test_a_report_that_has_not_been_run_says_so():
    (table,) = Counts().tables(Evaluation("val", {}))
    assert table.markdown() == "none"


def test_numbers_are_written_with_their_unit_and_what_is_not_defined_as_a_dash():
    assert (decimals(0.12349), decimals(math.nan)) == ("0.123", DASH)
    assert (percent(0.126), permille(0.0126)) == ("13 %", "1.3 %")
    assert (passed(True), passed(False)) == ("yes", "**no**")
