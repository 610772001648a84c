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
    """The card with each table put between its markers.

    Raises
    ------
    SettingsError
        If the card's markers and the tables are not the same ones.
    """
    marked = [match[2] for match in _TABLE.finditer(card)]
    if sorted(marked) != sorted(tables):
        raise SettingsError(f"the model card marks {sorted(marked)}, but the tables are {sorted(tables)}")
    return _TABLE.sub(lambda match: f"{match[1]}{tables[match[2]]}\n{match[3]}", card)


def make_tables(evaluation: Evaluation) -> dict[str, str]:
    """Every table of the card by its name, in Markdown."""
    return {table.name: table.markdown() for report in REPORTS for table in report.tables(evaluation)}
