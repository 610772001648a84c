"""What an encoder's labels lose when it computes in less than single precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sluice.intervals import Bools, Figure, Floats, draw_counts, find_interval, resample_auprc
from sluice.schema import LABELS, ModalityName
from sluice_models.measure.label_figures import measure_calibration
from sluice_models.measure.scores import to_probabilities

MIN_POSITIVES = 10
"""Of either kind."""


@dataclass(frozen=True)
class PrecisionRow:
    """One label of one encoder in another form than single precision.

    Attributes
    ----------
    form : str
        What it computes in.
    single, reduced : Figure
        AUPRC of the encoder's logits; `loss` is the difference.
    largest : float
        The largest change of a score, in [0, 1].
    calibration : Figure
        Expected calibration error in the other form, as it is shipped; no figure where there are too few rows.
    """

    form: str
    modality: ModalityName
    label: str
    n_positives: int
    single: Figure
    reduced: Figure
    loss: Figure
    largest: float
    calibration: Figure


def compare_forms(
    form: str, modality: ModalityName, targets: Floats, single: Floats, reduced: Floats
) -> list[PrecisionRow]:
    """Every label with rows enough; logits and targets of shape = (n, labels), targets NaN where not annotated."""
    reports = []
    for index, label in enumerate(LABELS):
        known = ~np.isnan(targets[:, index])
        positive = targets[known, index] == 1
        if min(positive.sum(), (~positive).sum()) >= MIN_POSITIVES:
            figures = _compare(positive, single[known, index], reduced[known, index])
            reports.append(PrecisionRow(form, modality, label, int(positive.sum()), *figures))
    return reports


def _compare(positive: Bools, single: Floats, reduced: Floats) -> tuple[Figure, Figure, Figure, float, Figure]:
    counts = draw_counts(len(positive))
    before, after = (resample_auprc(scores, positive, counts) for scores in (single, reduced))
    scores = to_probabilities(reduced)
    largest = float(np.abs(to_probabilities(single) - scores).max())
    calibration = measure_calibration(scores, positive, counts)
    return find_interval(before), find_interval(after), find_interval(before - after), largest, calibration
