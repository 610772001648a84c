"""Writes the tables of `MODEL_CARD.md` between their markers; what stands around them is written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from sluice.errors import SettingsError
from sluice_models.measure.registry import REPORTS
from sluice_models.measure.report import Evaluation

CARD_FILE = Path("models/MODEL_CARD.md")
_TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def fill_card(card: str, tables: Mapping[str, str]) -> str:
    """The card with each table put between its markers; tables that are not given stay as they are.

    Raises
    ------
    SettingsError
        If the card's markers are not those of all reports' tables.
    """
    marked, known = [match[2] for match in _TABLE.finditer(card)], list_tables()
    if sorted(marked) != sorted(known):
        raise SettingsError(f"the model card marks {sorted(marked)}, but the tables are {sorted(known)}")
    return _TABLE.sub(
        lambda match: f"{match[1]}{tables[match[2]]}\n{match[3]}" if match[2] in tables else match[0], card
    )


def list_tables() -> list[str]:
    """The names of all tables."""
    return [table.name for report in REPORTS for table in report.tables(Evaluation("", {}))]


def make_tables(evaluation: Evaluation) -> dict[str, str]:
    """The tables of the reports that were measured by their names, in Markdown."""
    measured = [report for report in REPORTS if report.name in evaluation.rows]
    return {table.name: table.markdown() for report in measured for table in report.tables(evaluation)}
