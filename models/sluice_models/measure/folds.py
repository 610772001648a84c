"""Folds that leave out whole sources of texts, and the figures that their runs leave in `left_out/`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sluice.errors import SettingsError
from sluice.resources import packaged_file
from sluice.schema import HARMS, LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.report import Columns, Evaluation, Report, Table, decimals, percent
from sluice_models.measure.source_figures import SOURCE_COLUMNS, SourceRow, SourcesMean, average_sources
from sluice_models.recipes.text.templates import load_templates

FOLDS: Mapping[str, frozenset[str]] = {
    "A": frozenset({"hatexplain", "sms_spam_collection"}),
    "B": frozenset({"davidson2017", "cold"}),
    "C": frozenset({"toxigen_demonstrations", "swsr"}),
    "D": frozenset({"olid_train", "jigsaw_bias_templates", "jigsaw_sample(IBM MAX)", "jigsaw_sample(detoxify tests)"}),
    "E": frozenset({"vicomtech_stormfront", "youtube_spam_collection"}),
    "F": frozenset({"tweeteval_hate(HatEval)"}),
    "H": frozenset({"hatemoji_build", "surge_toxicity"}),
    "J": frozenset({"edos"}),
    "K": frozenset(
        {
            *("threatgram101", "ethos", "convabuse", "sdcnl", "twitter_suicidal"),
            *("telecom_fraud_zh", "smishing_mendeley", "kmhas_ko", "offendes"),
        }
    ),
    "L": frozenset({"gahd", "macd_hi", "mlma_ar"}),
}
"""Each English or Chinese source with rows of both kinds is left out once, of English hate only one at a time; those of
other labels or in Chinese go along with one. Of another language one source is left out where a second one remains.
What remains has positives of every harm (`find_bare_labels`).

K leaves out the sources of thin labels (threat, violence, self-harm, sexual, fraud) all at once: one training gives the
figures of all of them, a little lower than one for each would.

Sources that a run on its own could not measure (one kind of rows alone) stay in training.
"""
NOT_RUN = "Not measured yet: `python -m sluice_models.leave_out --bundle DIR` runs the folds."
FIGURES = packaged_file("sluice_models.measure", "left_out")
"""Kept with the project: a card can be written without the hours that the folds take."""


def find_bare_labels(fold: str, examples: Iterable[Example]) -> set[str]:
    """Harms that no text outside the fold's sources is positive for, our own templates not counted."""
    remaining = [example.targets == 1 for example in examples if example.source not in FOLDS[fold]]
    return {label for label in HARMS if not any(row[LABELS.index(label)] for row in remaining)}


def template_labels() -> set[str]:
    """Harms that our own templates have sentences for."""
    return {label for family in load_templates().families for label in family.labels}


class FoldFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a fold: the share of the training steps that it ran for, in (0, 1], and its figures."""

    share: float
    rows: list[SourceRow]


@dataclass(frozen=True)
class FoldRun:
    """A fold that has been run, the sources it left out, and the share of the training steps, in (0, 1]."""

    fold: str
    sources: tuple[str, ...]
    share: float


def write_figures(folder: Path, fold: str, figures: FoldFigures) -> Path:
    """Keep a fold's figures; returns the file."""
    file = _figures_file(folder, fold)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")
    return file


def _figures_file(folder: Path, fold: str) -> Path:
    return folder / f"{fold}.json"


def read_folds(folder: Path) -> dict[str, FoldFigures]:
    """What every fold that has been run left, by its name; none if none has.

    Raises
    ------
    SettingsError
        If a file is not what `write_figures` writes.
    """
    return {fold: _read_fold(_figures_file(folder, fold)) for fold in FOLDS if _figures_file(folder, fold).is_file()}


def _read_fold(file: Path) -> FoldFigures:
    try:
        return msgspec.json.decode(file.read_bytes(), type=FoldFigures)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{file}: {error}") from error


def read_figures(folder: Path) -> list[SourceRow]:
    """The figures of every fold that has been run, sorted by language, label and source; see `read_folds`."""
    reports = [row for figures in read_folds(folder).values() for row in figures.rows]
    return sorted(reports, key=lambda row: (row.language, LABELS.index(row.label), row.source))


class LeftOut(Report[SourceRow]):
    """The figures of the folds that have been run; they are read, not measured."""

    name, title = "left_out", "sources left out, as the folds kept them"

    def measure(self, context: EvaluationContext) -> Iterable[SourceRow]:
        """Every source of every fold that has been run."""
        return read_figures(FIGURES)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[Any]]:
        """Means over sources, and each source."""
        rows = evaluation.of(LeftOut)
        columns: Columns[SourcesMean] = {
            "language": lambda mean: mean.language,
            "label": lambda mean: mean.label,
            "sources": lambda mean: mean.n_sources,
            "AUROC, mean": lambda mean: decimals(mean.auroc),
            "lowest": lambda mean: decimals(mean.lowest),
            "highest": lambda mean: decimals(mean.highest),
            "AUPRC, mean": lambda mean: decimals(mean.auprc),
        }
        yield Table("left-out-means", columns, average_sources(rows), NOT_RUN)
        yield Table("left-out", SOURCE_COLUMNS, rows, NOT_RUN)


class LeftOutRuns(Report[FoldRun]):
    """Which folds have been run, and for how long."""

    name, title = "left_out_runs", "folds that have been run"

    def measure(self, context: EvaluationContext) -> Iterable[FoldRun]:
        """Every fold that has been run."""
        return [FoldRun(fold, tuple(sorted(FOLDS[fold])), each.share) for fold, each in read_folds(FIGURES).items()]

    def tables(self, evaluation: Evaluation) -> Iterator[Table[FoldRun]]:
        """One."""
        columns: Columns[FoldRun] = {
            "fold": lambda run: run.fold,
            "left out": lambda run: ", ".join(run.sources),
            "share of the steps": lambda run: percent(run.share),
        }
        yield Table("left-out-runs", columns, evaluation.of(LeftOutRuns), NOT_RUN)
