"""A split's rows through the fusion, each a post of its own, with cross-fitted calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sluice.intervals import Bools, Floats
from sluice.schema import LABELS, MODALITIES, ModalityName
from sluice_models.measure.scores import to_probabilities
from sluice_models.networks.fusion import Fusion
from sluice_models.recipes.fusion.encoded import Encoded
from sluice_models.training.platt import fit_calibration
from sluice_models.training.train_fusion import score_parts

FoldNumbers = npt.NDArray[np.int64]
N_FOLDS = 10
"""Parts of the rows, each calibrated on the others."""


@dataclass(frozen=True)
class Scored:
    """One modality's rows, each a post of its own.

    Attributes
    ----------
    probabilities, alone, cross_fitted : ndarray, shape = (n, labels)
        From the fusion; from the encoder alone; from the fusion, each tenth of the rows calibrated on the others.
    """

    modality: ModalityName
    part: Encoded
    probabilities: Floats
    alone: Floats
    cross_fitted: Floats


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


def certain_rows(part: Encoded, label: str) -> Bools:
    """Rows that say whether they have the label, shape = (n,); zeros that were only assumed do not count."""
    index = LABELS.index(label)
    return np.asarray(~np.isnan(part.targets[:, index]) & (part.weights[:, index] == 1))
