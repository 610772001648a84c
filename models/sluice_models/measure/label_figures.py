"""Figures per label, for all rows of a modality and for each source alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sluice.schema import LABELS, MODALITIES
from sluice_models.measure.intervals import (
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
from sluice_models.measure.scores import find_threshold, to_probabilities
from sluice_models.networks.fusion import Fusion
from sluice_models.recipes.fusion.encoded import OURS, Encoded
from sluice_models.training.platt import fit_calibration
from sluice_models.training.train_fusion import score_parts

FoldNumbers = npt.NDArray[np.int64]
ALL_SOURCES = "all"
WITH_OURS = f"all, and what was {OURS}"
MIN_POSITIVES = 5
"""Of either kind; with fewer, a figure would be chance."""
MIN_CALIBRATION_ROWS = 300
"""Twenty to a bin."""
N_FOLDS = 10
"""Parts of the rows, each calibrated by the others."""
REVIEW_SHARE, BLOCK_SHARE = 0.05, 0.005
"""Harmless rows that may reach a threshold."""


@dataclass(frozen=True)
class Scored:
    """One modality's rows, each a post of its own.

    Attributes
    ----------
    probabilities, alone, cross_fitted : ndarray, shape = (n, labels)
        From the fusion; from the encoder alone; from the fusion, each tenth of the rows calibrated on the others.
    """

    modality: str
    part: Encoded
    probabilities: Floats
    alone: Floats
    cross_fitted: Floats


@dataclass(frozen=True)
class LabelReport:
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


def score_split(fusion: Fusion, parts: list[Encoded]) -> list[Scored]:
    """Every row through the fusion, in the order of `MODALITIES`."""
    logits = [score_parts(fusion, part, modality)[0] for modality, part in enumerate(parts)]
    folds = [np.random.default_rng(0).integers(N_FOLDS, size=len(part.targets)) for part in parts]
    cross_fitted = cross_fit(fusion, logits, parts, folds)
    return [
        Scored(*columns)
        for columns in zip(
            MODALITIES,
            parts,
            map(to_probabilities, logits),
            (to_probabilities(part.logits) for part in parts),
            cross_fitted,
            strict=True,
        )
    ]


def cross_fit(fusion: Fusion, logits: list[Floats], parts: list[Encoded], folds: list[FoldNumbers]) -> list[Floats]:
    """Probabilities as if only the other turns' rows of the same kind had calibrated the fusion.

    The shipped scale and shift of each kind, which saw all rows, are taken out first. `folds` says for each kind whose
    turn each row is, shape = (n,).
    """
    calibrations = zip(fusion.scale.numpy(), fusion.shift.numpy(), strict=True)
    raw = [(rows - shift) / scale for rows, (scale, shift) in zip(logits, calibrations, strict=False)]
    return [_cross_fit_part(*each) for each in zip(raw, parts, folds, strict=True)]


def _cross_fit_part(raw: Floats, part: Encoded, folds: FoldNumbers) -> Floats:
    fitted = np.empty_like(raw)
    for fold in np.unique(folds):
        others, own = (folds != fold) & part.found, folds == fold
        scale, shift = fit_calibration(raw[others], part.targets[others], part.weights[others])
        fitted[own] = to_probabilities(raw[own] * scale.numpy() + shift.numpy())
    return fitted


def report_part(scored: Scored, thresholds: Mapping[str, float]) -> Iterator[LabelReport]:
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


def certain_rows(part: Encoded, label: str) -> Bools:
    """Rows that say whether they have the label, shape = (n,); zeros that were only assumed do not count."""
    index = LABELS.index(label)
    return np.asarray(~np.isnan(part.targets[:, index]) & (part.weights[:, index] == 1))


def _report_rows(
    scored: Scored, label: str, source: str, chosen: Bools, thresholds: Mapping[str, float]
) -> Iterator[LabelReport]:
    index = LABELS.index(label)
    rows = certain_rows(scored.part, label) & chosen
    positive = scored.part.targets[rows, index] == 1
    if min(positive.sum(), (~positive).sum()) < MIN_POSITIVES:
        return
    scores, counts = scored.probabilities[rows, index], draw_counts(len(positive))
    joined = resample_auprc(scores, positive, counts)
    alone = resample_auprc(scored.alone[rows, index], positive, counts)
    yield LabelReport(
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
    """Calibration error; no figure where there are too few rows."""
    if len(scores) < MIN_CALIBRATION_ROWS:
        return NO_FIGURE
    return measure_with_interval(resample_ece, scores, positive, counts)
