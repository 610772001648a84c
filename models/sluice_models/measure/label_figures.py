"""Figures per label, for all rows of a modality and for each source alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sluice.intervals import (
    NO_FIGURE,
    Bools,
    Figure,
    Floats,
    draw_counts,
    find_interval,
    measure_with_interval,
    resample_auprc,
    resample_auroc,
    resample_ece,
    resample_f1,
    resample_recall,
)
from sluice.schema import LABELS
from sluice_models.measure.context import EvaluationContext, thresholds_of
from sluice_models.measure.report import Columns, Evaluation, Report, Table, decimals, passed
from sluice_models.measure.scored_split import Scored, certain_rows
from sluice_models.measure.scores import find_threshold
from sluice_models.recipes.fusion.encoded import OURS

ALL_SOURCES = "all"
WITH_OURS = f"all, and what was {OURS}"
MIN_POSITIVES = 5
"""Of either kind; with fewer, a figure would be chance."""
MIN_CALIBRATION_ROWS = 300
"""Twenty to a bin."""
MAX_FUSION_LOSS = 0.005
"""Of AUPRC: how far the fusion may be under an encoder."""
REVIEW_SHARE, BLOCK_SHARE = 0.05, 0.005
"""Harmless rows that may reach a threshold."""


@dataclass(frozen=True)
class LabelRow:
    """One label in one modality and source.

    Attributes
    ----------
    f1 : Figure
        At the default policy's review threshold.
    recall : Figure
        At 1 % false positives.
    ece : Figure
        Expected calibration error of cross-fitted calibration.
    encoder_auprc : float
        Of the encoder without the fusion.
    gain : Figure
        AUPRC of the fusion less that of the encoder, on the same resamples.
    review, block : float
        Scores that 5 % and 0.5 % of the rows annotated 0 reach.
    """

    modality: str
    label: str
    source: str
    n_positives: int
    n_negatives: int
    auprc: Figure
    auroc: Figure
    f1: Figure
    recall: Figure
    ece: Figure
    encoder_auprc: float
    gain: Figure
    review: float
    block: float


def report_part(scored: Scored, thresholds: Mapping[str, float]) -> Iterator[LabelRow]:
    """Every label that has enough rows of both kinds: all data sets together, then each that has enough by itself.

    Rows of our own making are in `WITH_OURS` alone.
    """
    sources = np.array(scored.part.sources)
    for label in LABELS:
        yield from _report_rows(scored, label, ALL_SOURCES, scored.part.found, thresholds)
        if not scored.part.found.all():
            yield from _report_rows(scored, label, WITH_OURS, np.ones(len(sources), np.bool_), thresholds)
        for source in sorted(set(scored.part.sources)):
            yield from _report_rows(scored, label, source, sources == source, thresholds)


def _report_rows(
    scored: Scored, label: str, source: str, chosen: Bools, thresholds: Mapping[str, float]
) -> Iterator[LabelRow]:
    index = LABELS.index(label)
    rows = certain_rows(scored.part, label) & chosen
    positive = scored.part.targets[rows, index] == 1
    if min(positive.sum(), (~positive).sum()) < MIN_POSITIVES:
        return
    scores, counts = scored.probabilities[rows, index], draw_counts(len(positive))
    joined = resample_auprc(scores, positive, counts)
    alone = resample_auprc(scored.alone[rows, index], positive, counts)
    yield LabelRow(
        modality=scored.modality,
        label=label,
        source=source,
        n_positives=int(positive.sum()),
        n_negatives=int((~positive).sum()),
        auprc=find_interval(joined),
        auroc=measure_with_interval(resample_auroc, scores, positive, counts),
        f1=measure_with_interval(resample_f1(thresholds.get(label, math.inf)), scores, positive, counts),
        recall=measure_with_interval(resample_recall, scores, positive, counts),
        ece=measure_calibration(scored.cross_fitted[rows, index], positive, counts),
        encoder_auprc=float(alone[0]),
        gain=find_interval(joined - alone),
        review=find_threshold(scores, ~positive, REVIEW_SHARE),
        block=find_threshold(scores, ~positive, BLOCK_SHARE),
    )


def measure_calibration(scores: Floats, positive: Bools, counts: Floats) -> Figure:
    """Calibration error of rows, shape = (n,); no figure where there are too few."""
    if len(scores) < MIN_CALIBRATION_ROWS:
        return NO_FIGURE
    return measure_with_interval(resample_ece, scores, positive, counts)


_FIGURES: Columns[LabelRow] = {
    "1": lambda row: row.n_positives,
    "0": lambda row: row.n_negatives,
    "AUPRC": lambda row: row.auprc,
    "AUROC": lambda row: row.auroc,
    "F1 at review": lambda row: row.f1,
    "recall at 1 % FPR": lambda row: row.recall,
    "ECE": lambda row: row.ece,
}
_LABEL: Columns[LabelRow] = {"modality": lambda row: row.modality, "label": lambda row: row.label}


class LabelFigures(Report[LabelRow]):
    """Every label, over all sources and by source; and what the fusion adds to the encoder alone."""

    name, title = "labels", "figures per label and source"

    def measure(self, context: EvaluationContext) -> Iterator[LabelRow]:
        """Rows by modality, label and source."""
        for scored in context.scored:
            yield from report_part(scored, thresholds_of(context.policy, scored.modality).review)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[LabelRow]]:
        """Labels over all sources, by source, and the fusion beside the encoders."""
        rows = evaluation.of(LabelFigures)
        whole = [row for row in rows if row.source == ALL_SOURCES]
        by_source = [row for row in rows if row.source != ALL_SOURCES]
        encoder: Columns[LabelRow] = {"encoder AUPRC": lambda row: decimals(row.encoder_auprc)}
        yield Table("labels", {**_LABEL, **_FIGURES, **encoder}, whole)
        yield Table("by-source", {**_LABEL, "source": lambda row: row.source, **_FIGURES}, by_source)
        gain: Columns[LabelRow] = {
            "fusion AUPRC": lambda row: decimals(row.auprc.value),
            "difference": lambda row: row.gain,
            f"above -{MAX_FUSION_LOSS}": lambda row: passed(row.gain.value >= -MAX_FUSION_LOSS),
        }
        yield Table("fusion", {**_LABEL, **encoder, **gain}, whole)
