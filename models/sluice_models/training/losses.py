"""Losses over partly annotated labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (torch's own custom)


def weigh_positives(targets: npt.NDArray[np.float32], limit: float) -> Tensor:
    """Weights of the positives per label, shape = (labels,): the square root of negatives per positive.

    Parameters
    ----------
    targets : ndarray, shape = (n, labels)
        1, 0 or NaN.
    limit : float
        No weight is above this: rare labels are to be heard, and their scores to stay near probabilities.
    """
    n_positives = (targets == 1).sum(axis=0)
    n_negatives = (targets == 0).sum(axis=0)
    ratios = np.sqrt(n_negatives / np.maximum(n_positives, 1))
    return torch.from_numpy(np.clip(ratios, 1.0, limit).astype(np.float32))


def masked_loss(logits: Tensor, targets: Tensor, weights: Tensor, positive_weights: Tensor) -> Tensor:
    """Binary cross-entropy where there is a target, summed over labels and averaged over rows.

    Parameters
    ----------
    logits, targets, weights : Tensor, shape = (B, labels)
        A target of NaN is left out.
    positive_weights : Tensor, shape = (labels,)
    """
    known = ~torch.isnan(targets)
    wanted = torch.where(known, targets, torch.zeros_like(targets))
    counts = positive_weights.to(logits.device)
    losses = F.binary_cross_entropy_with_logits(logits.float(), wanted, reduction="none", pos_weight=counts)
    return (losses * weights * known).sum() / len(logits)


def masked_mark_loss(scores: Tensor, marks: Tensor) -> Tensor:
    """Binary cross-entropy of evidence scores where they are supervised; 0 where nothing is.

    Parameters
    ----------
    scores, marks : Tensor, any shape, but the same
        Scores in [0, 1]; marks of NaN are left out.
    """
    known = ~torch.isnan(marks)
    wanted = torch.where(known, marks, torch.zeros_like(marks))
    bounded = scores.float().clamp(1e-5, 1 - 1e-5)
    losses = -(wanted * bounded.log() + (1 - wanted) * (1 - bounded).log())
    return (losses * known).sum() / known.sum().clamp(min=1)
