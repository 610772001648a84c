"""The headline figures of an evaluation, picked out of its reports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from sluice_models.measure.evaluation import Evaluation
from sluice_models.measure.functional import TEMPLATES
from sluice_models.measure.headlines import Headline, average_figures
from sluice_models.measure.intervals import Figure
from sluice_models.measure.label_figures import ALL_SOURCES, LabelReport
from sluice_models.measure.obfuscation import ALL_TRICKS, NEVER_TRAINED
from sluice_models.measure.source_figures import OWN_NEGATIVES

VALIDATION = "validation rows of the same sources"


def summarise(evaluation: Evaluation) -> list[Headline]:
    """What to look at first, in a fixed order; what has not been measured has no row."""
    return [
        *_left_out(evaluation),
        *evaluation.headlines,
        *_functional(evaluation),
        *_labels(evaluation),
        *_unseen(evaluation),
        *_robustness(evaluation),
        *(Headline(row.measure, VALIDATION, row.n_rows, row.figure) for row in evaluation.evidence[:3]),
        *_mixtures(evaluation),
        *_calibration(evaluation.labels),
    ]


def _left_out(evaluation: Evaluation) -> Iterator[Headline]:
    for language, name in (("en", "English"), ("zh", "Chinese")):
        for label in ("hate", "toxicity"):
            found = [
                row.auroc.value
                for row in evaluation.left_out
                if (row.language, row.label, row.negatives) == (language, label, OWN_NEGATIVES)
            ]
            if found:
                rows = "mean over sources, each left out of training"
                yield average_figures(f"{name} {label}, AUROC", rows, found)
    for label in ("threat", "violence", "self_harm", "sexual", "spam"):
        for row in evaluation.left_out:
            if row.label == label:
                n_rows = row.n_positives + row.n_negatives
                yield Headline(f"{label}, AUPRC", f"{row.source}, left out of training", n_rows, row.auprc)


def _functional(evaluation: Evaluation) -> Iterator[Headline]:
    for row in evaluation.functional:
        if row.suite == TEMPLATES and row.family.startswith("all "):
            yield Headline(f"{row.family}: accuracy", "own templates held out from training", row.n_rows, row.accuracy)


def _labels(evaluation: Evaluation) -> Iterator[Headline]:
    wanted = {("text", "spam"), ("image", "weapons"), ("image", "fire")}
    for row in evaluation.labels:
        if row.source == ALL_SOURCES and (row.modality, row.label) in wanted:
            yield Headline(
                f"{row.modality}: {row.label}, AUPRC", VALIDATION, row.n_positives + row.n_negatives, row.auprc
            )


def _unseen(evaluation: Evaluation) -> Iterator[Headline]:
    for row in evaluation.unseen:
        if row.negatives == OWN_NEGATIVES:
            n_rows = row.n_positives + row.n_negatives
            yield Headline(f"{row.modality}: {row.label}, AUPRC", f"{row.source}, never trained on", n_rows, row.auprc)


def _robustness(evaluation: Evaluation) -> Iterator[Headline]:
    for row in evaluation.robustness:
        if row.trick in (ALL_TRICKS, NEVER_TRAINED):
            what = f"share of AUPRC kept under {row.trick}: {row.label}, {row.language}"
            yield Headline(what, VALIDATION, row.n_positives, Figure(row.kept, math.nan, math.nan))


def _mixtures(evaluation: Evaluation) -> Iterator[Headline]:
    for row in evaluation.mixtures:
        if row.snr_db == 0:
            n_rows = row.n_positives + row.n_negatives
            yield Headline(f"{row.label} at 0 dB, AUPRC", "mixtures of validation clips", n_rows, row.auprc)


def _calibration(labels: Iterable[LabelReport]) -> Iterator[Headline]:
    measured = [row for row in labels if row.source == ALL_SOURCES and not math.isnan(row.ece.value)]
    if measured:
        worst = max(measured, key=lambda row: row.ece.value)
        what = f"calibration error, worst label ({worst.modality}: {worst.label})"
        yield Headline(what, VALIDATION, worst.n_positives + worst.n_negatives, worst.ece)
