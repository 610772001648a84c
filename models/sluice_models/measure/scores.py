"""How good scores are: area under the ROC and the precision-recall curve, and thresholds on harmless rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sluice.logits import sigmoid
from sluice.schema import LABELS

Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]


def measure_auroc(scores: Float, positive: Bool) -> float:
    """Chance that a positive row scores above a negative one, ties half; NaN without both kinds.

    Parameters
    ----------
    scores, positive : ndarray, shape = (n,)
    """
    n_positives, n_negatives = int(positive.sum()), int((~positive).sum())
    if not n_positives or not n_negatives:
        return float("nan")
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[positive].sum() - n_positives * (n_positives + 1) / 2) / (n_positives * n_negatives))


def measure_auprc(scores: Float, positive: Bool) -> float:
    """Average precision over the distinct thresholds; NaN without positives.

    Parameters
    ----------
    scores, positive : ndarray, shape = (n,)
    """
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(positive[order])[last_of_tie]
    n_seen = (np.arange(len(scores)) + 1)[last_of_tie]
    gains = np.diff(np.append(0, hits)) / hits[-1]
    return float((gains * hits / n_seen).sum())


def find_threshold(scores: Float, harmless: Bool, share: float) -> float:
    """The lowest score that at most `share` of the harmless rows reach; 1 where there is none.

    Parameters
    ----------
    scores, harmless : ndarray, shape = (n,)
    """
    kept = np.sort(scores[harmless])[::-1]
    n_allowed = int(share * len(kept))
    return float(np.nextafter(kept[n_allowed], np.float32(2))) if n_allowed < len(kept) else 1.0


def find_reached(scores: Float, thresholds: Mapping[str, float]) -> Bool:
    """Which labels of which rows reach their threshold; a label without one never does.

    Parameters
    ----------
    scores : ndarray, shape = (n, labels)

    Returns
    -------
    ndarray of bool, shape = (n, labels)
    """
    return np.asarray(scores >= np.array([thresholds.get(label, np.inf) for label in LABELS]))


def to_probabilities(logits: Float) -> Float:
    """Sigmoid, any shape."""
    return sigmoid(logits).astype(np.float32)
