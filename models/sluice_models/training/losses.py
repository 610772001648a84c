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


def masked_mark_loss(marks: Tensor, wanted: Tensor) -> Tensor:
    """Binary cross-entropy of evidence where it is supervised, summed over harms, averaged over the pieces asked about.

    Parameters
    ----------
    marks, wanted : Tensor, shape = (B, L, harms)
        Logits; and shares in [0, 1], NaN where nobody was asked. What is marked counts double.
    """
    known = ~torch.isnan(wanted)
    target = torch.where(known, wanted, torch.zeros_like(wanted))
    losses = F.binary_cross_entropy_with_logits(marks.float(), target, reduction="none") * (1.0 + target) * known
    total: Tensor = losses.sum() / known.any(dim=2).sum().clamp(min=1)
    return total


def masked_score_loss(scores: Tensor, wanted: Tensor) -> Tensor:
    """Binary cross-entropy of scores where they are supervised, a scalar; 0 where nothing is.

    Parameters
    ----------
    scores, wanted : Tensor, any shape, but the same
        Scores in [0, 1]; NaN is left out of what is wanted.
    """
    known = ~torch.isnan(wanted)
    target = torch.where(known, wanted, torch.zeros_like(wanted))
    bounded = scores.float().clamp(1e-5, 1 - 1e-5)
    losses = -(target * bounded.log() + (1 - target) * (1 - bounded).log())
    return (losses * known).sum() / known.sum().clamp(min=1)
