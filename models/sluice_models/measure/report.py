"""What a report is: rows that are measured, and the tables of the model card that show them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from sluice_models.measure.context import EvaluationContext

RowT = TypeVar("RowT")
Columns = Mapping[str, Callable[[RowT], object]]
"""Headings, and what a row has under each."""
DASH = "–"


@dataclass(frozen=True)
class Table(Generic[RowT]):
    """One table of the model card.

    Attributes
    ----------
    name : str
        Of its markers in the card.
    if_empty : str or None
        What stands there without rows; None for a table of headings alone.
    """

    name: str
    columns: Columns[RowT]
    rows: Iterable[RowT]
    if_empty: str | None = None

    def markdown(self) -> str:
        """The table in Markdown, a line per row."""
        cells: list[list[object]] = [[cell(row) for cell in self.columns.values()] for row in self.rows]
        if not cells and self.if_empty is not None:
            return self.if_empty
        head: list[list[object]] = [list(self.columns), ["---"] * len(self.columns)]
        return "\n".join(map(_line, head + cells))


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


@dataclass(frozen=True)
class Evaluation:
    """The rows of every report, by the report's name."""

    split: str
    rows: Mapping[str, tuple[Any, ...]]

    def of(self, report: type[Report[RowT]]) -> tuple[RowT, ...]:
        """The rows of one report; none if it has not been run."""
        return self.rows.get(report.name, ())


class Report(ABC, Generic[RowT]):
    """One thing that is measured.

    A new one is a class of this kind in the registry, `sluice_models.measure.registry.REPORTS`, and a pair of markers
    in the card for each of its tables.

    Attributes
    ----------
    name : str
        Its key in ``report.json``.
    title : str
        What is shown while it is measured.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def measure(self, context: EvaluationContext) -> Iterable[RowT]:
        """Measure every row."""

    @abstractmethod
    def tables(self, evaluation: Evaluation) -> Iterable[Table[Any]]:
        """The card's tables, out of what all reports measured."""


def percent(value: float) -> str:
    """A share in whole per cent."""
    return f"{100 * value:.0f} %"


def permille(value: float) -> str:
    """A share in tenths of a per cent."""
    return f"{100 * value:.1f} %"


def decimals(value: float) -> str:
    """Three digits after the point, a dash where there is no value."""
    return DASH if math.isnan(value) else f"{value:.3f}"


def passed(holds: bool) -> str:
    """How a limit that is kept, or not, is shown."""
    return "yes" if holds else "**no**"
