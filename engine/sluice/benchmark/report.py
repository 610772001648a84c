"""Figures beside published ones, as rows for a table or for JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.benchmark.figures import Measured
from sluice.benchmark.sets import Published


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of ours and those that others publish for the same."""

    measured: Measured
    published: tuple[Published, ...]


def compare(measured: Iterable[Measured], published: Sequence[Published]) -> Iterator[Line]:
    """Put what is published beside what was measured."""
    for found in measured:
        same = tuple(p for p in published if (p.measure, p.subject) == (found.measure, found.subject))
        yield Line(found, same)


def to_json(line: Line) -> dict[str, Any]:
    """A line as plain values; a figure that is not defined is null."""
    figure = line.measured.figure
    return {
        "measure": line.measured.measure,
        "of": line.measured.subject,
        "n": line.measured.n_texts,
        "value": _number(figure.value),
        "low": _number(figure.low),
        "high": _number(figure.high),
        "published": [{"system": p.system, "value": p.value, "source": p.source} for p in line.published],
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def describe_published(line: Line) -> str:
    """Systems and their figures on one line."""
    return "; ".join(f"{p.system} {p.value:.3f}" for p in line.published)
