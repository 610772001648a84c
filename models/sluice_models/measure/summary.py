"""The headline figures of an evaluation, picked out of its reports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from sluice.intervals import Figure
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.folds import LeftOut
from sluice_models.measure.functional import TEMPLATES, Functional
from sluice_models.measure.headlines import Headline, average_figures, measure_headlines
from sluice_models.measure.label_figures import ALL_SOURCES, LabelFigures, LabelRow
from sluice_models.measure.mixtures import Mixtures
from sluice_models.measure.obfuscation import ALL_TRICKS, NEVER_TRAINED, Robustness
from sluice_models.measure.rationales import Evidence
from sluice_models.measure.report import Columns, Evaluation, Report, Table
from sluice_models.measure.source_figures import OWN_NEGATIVES
from sluice_models.measure.unseen import Unseen

VALIDATION = "validation rows of the same sources"


def summarise(evaluation: Evaluation) -> list[Headline]:
    """What to look at first, in a fixed order; what has not been measured has no row."""
    return [
        *_left_out(evaluation),
        *evaluation.of(Headlines),
        *_functional(evaluation),
        *_labels(evaluation),
        *_unseen(evaluation),
        *_robustness(evaluation),
        *(Headline(row.measure, VALIDATION, row.n_rows, row.figure) for row in evaluation.of(Evidence)[:3]),
        *_mixtures(evaluation),
        *_calibration(evaluation.of(LabelFigures)),
    ]


def _left_out(evaluation: Evaluation) -> Iterator[Headline]:
    for language, name in (("en", "English"), ("zh", "Chinese")):
        for label in ("hate", "toxicity"):
            found = [
                row.auroc.value
                for row in evaluation.of(LeftOut)
                if (row.language, row.label, row.negatives) == (language, label, OWN_NEGATIVES)
            ]
            if found:
                rows = "mean over sources, each left out of training"
                yield average_figures(f"{name} {label}, AUROC", rows, found)
    for label in ("threat", "violence", "self_harm", "sexual", "spam"):
        for row in evaluation.of(LeftOut):
            if row.label == label:
                n_rows = row.n_positives + row.n_negatives
                yield Headline(f"{label}, AUPRC", f"{row.source}, left out of training", n_rows, row.auprc)


def _functional(evaluation: Evaluation) -> Iterator[Headline]:
    for row in evaluation.of(Functional):
        if row.suite == TEMPLATES and row.family.startswith("all "):
            yield Headline(f"{row.family}: accuracy", "own templates held out from training", row.n_rows, row.accuracy)


def _labels(evaluation: Evaluation) -> Iterator[Headline]:
    wanted = {("text", "spam"), ("image", "weapons"), ("image", "fire")}
    for row in evaluation.of(LabelFigures):
        if row.source == ALL_SOURCES and (row.modality, row.label) in wanted:
            yield Headline(
                f"{row.modality}: {row.label}, AUPRC", VALIDATION, row.n_positives + row.n_negatives, row.auprc
            )


def _unseen(evaluation: Evaluation) -> Iterator[Headline]:
    for row in evaluation.of(Unseen):
        if row.negatives == OWN_NEGATIVES:
            n_rows = row.n_positives + row.n_negatives
            yield Headline(f"{row.modality}: {row.label}, AUPRC", f"{row.source}, never trained on", n_rows, row.auprc)


def _robustness(evaluation: Evaluation) -> Iterator[Headline]:
    for row in evaluation.of(Robustness):
        if row.trick in (ALL_TRICKS, NEVER_TRAINED):
            what = f"share of AUPRC kept under {row.trick}: {row.label}, {row.language}"
            yield Headline(what, VALIDATION, row.n_positives, Figure(row.kept, math.nan, math.nan))


def _mixtures(evaluation: Evaluation) -> Iterator[Headline]:
    for row in evaluation.of(Mixtures):
        if row.snr_db == 0:
            n_rows = row.n_positives + row.n_negatives
            yield Headline(f"{row.label} at 0 dB, AUPRC", "mixtures of validation clips", n_rows, row.auprc)


def _calibration(labels: Iterable[LabelRow]) -> Iterator[Headline]:
    measured = [row for row in labels if row.source == ALL_SOURCES and not math.isnan(row.ece.value)]
    if measured:
        worst = max(measured, key=lambda row: row.ece.value)
        what = f"calibration error, worst label ({worst.modality}: {worst.label})"
        yield Headline(what, VALIDATION, worst.n_positives + worst.n_negatives, worst.ece)


class Headlines(Report[Headline]):
    """What to look at first: figures that other work reports, beside the first of every other report."""

    name, title = "headlines", "figures that other work reports"

    def measure(self, context: EvaluationContext) -> Iterator[Headline]:
        """HateXplain's hate and COLD's accuracy."""
        return measure_headlines(context.texts, context.examples, context.scored[0], context.thresholds.review)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[Headline]]:
        """One, out of all reports."""
        columns: Columns[Headline] = {
            "figure": lambda row: row.what,
            "of": lambda row: row.rows,
            "n": lambda row: row.n_rows,
            "value": lambda row: _show(row.figure),
        }
        yield Table("headlines", columns, summarise(evaluation))


def _show(figure: Figure) -> str:
    """A figure without an interval is shown without one."""
    return str(figure) if not math.isnan(figure.low) or math.isnan(figure.value) else f"{figure.value:.3f}"
