"""Looks for items to measure on that also stand in training: ``python -m sluice_models.leakage --bundle DIR``.

Texts count as the same by their letters and digits, images as near-duplicates by their difference hash. Measured on are
the validation rows and the rows that are never trained on. What is compared is what training really reads, after
`sluice_models.data.bundle` has dropped such repetitions; our own templates, drawings and synthesised sounds are not
part of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from sluice_models.console import report_errors
from sluice_models.data.bundle import (
    Example,
    read_media,
    read_source_rows,
    read_texts,
    read_unused_media,
    read_unused_texts,
)
from sluice_models.data.duplicates import NEAR_BITS, find_nearest, hash_files, normalise_text


@dataclass(frozen=True)
class Leak:
    """An item to measure on and the training item that it repeats, by the bundle's ids."""

    modality: str
    source: str
    measured: str
    training: str


@dataclass(frozen=True)
class LeakReport:
    """How many items to measure on were compared with how many for training, and which stand in both."""

    modality: str
    n_measured: int
    n_training: int
    leaks: tuple[Leak, ...]


Find = Callable[[Sequence[Example], Sequence[Example]], list[Leak]]


def find_text_leaks(measured: Sequence[Example], training: Sequence[Example]) -> list[Leak]:
    """Texts to measure on whose normalised form is also a training text's."""
    known = {normalise_text(row.text or ""): row.key for row in training}
    forms = ((row, normalise_text(row.text or "")) for row in measured)
    return [Leak("text", row.source, row.key, known[form]) for row, form in forms if form in known]


def find_image_leaks(measured: Sequence[Example], training: Sequence[Example]) -> list[Leak]:
    """Images to measure on with a near-duplicate in training, each with its nearest."""
    if not measured or not training:
        return []
    hashes, known = (hash_files([row.media for row in rows if row.media]) for rows in (measured, training))
    found = zip(measured, *find_nearest(hashes, known), strict=True)
    return [
        Leak("image", row.source, row.key, training[nearest].key)
        for row, nearest, distance in found
        if distance <= NEAR_BITS
    ]


def report_leaks(bundle: Path, without: frozenset[str] = frozenset()) -> list[LeakReport]:
    """Compare what is measured on with what is trained on, where the sources `without` are left out.

    Raises
    ------
    SettingsError
        If the bundle is not there.
    """
    left_out = read_source_rows(bundle, without) if without else []
    texts = read_texts(bundle, "val", without) + read_unused_texts(bundle) + left_out
    images = read_media(bundle, "images", "val") + read_unused_media(bundle, "images")
    return [
        _report("text", texts, read_texts(bundle, "train", without), find_text_leaks),
        _report("image", images, read_media(bundle, "images", "train"), find_image_leaks),
    ]


def _report(modality: str, measured: list[Example], training: list[Example], find: Find) -> LeakReport:
    return LeakReport(modality, len(measured), len(training), tuple(find(measured, training)))


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    without: Annotated[list[str] | None, typer.Option(help="A text source that is left out; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The ids of every pair as well.")] = False,
) -> None:
    """Count items to measure on that stand in training too; exits with 1 if there are any."""
    with report_errors():
        reports = report_leaks(bundle, frozenset(without or ()))
    for report in reports:
        typer.echo(json.dumps(asdict(report)) if as_json else _describe(report))
    raise typer.Exit(int(any(report.leaks for report in reports)))


def _describe(report: LeakReport) -> str:
    by_source: dict[str, int] = {}
    for leak in report.leaks:
        by_source[leak.source] = by_source.get(leak.source, 0) + 1
    sources = ", ".join(f"{source} {count}" for source, count in sorted(by_source.items()))
    line = f"{report.modality}: {len(report.leaks)} of {report.n_measured} items to measure on in training"
    return f"{line} ({report.n_training} items){': ' + sources if sources else ''}"


if __name__ == "__main__":
    typer.run(main)
