"""Makes scores probabilities: a scale and a shift per label, fitted on validation rows (Platt, 1999)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

MIN_POSITIVES = 10
"""With fewer, a label keeps its scores as they are."""
PULL = 2.0
"""Of scale towards 1 and shift towards 0, in rows' worth of loss: keeps labels with few rows near what they were."""
Float32 = npt.NDArray[np.float32]


def fit_calibration(logits: Float32, targets: Float32, weights: Float32) -> tuple[Tensor, Tensor]:
    """Fit each label by itself.

    Parameters
    ----------
    logits, targets, weights : ndarray, shape = (n, labels)
        Targets of NaN are left out.

    Returns
    -------
    scale, shift : Tensor, shape = (labels,)
        Calibrated logits are ``logits * scale + shift``; the scale is positive, so no order changes.
    """
    fitted = [_fit_label(logits[:, i], targets[:, i], weights[:, i]) for i in range(logits.shape[1])]
    scales, shifts = zip(*fitted, strict=True)
    return torch.tensor(scales), torch.tensor(shifts)


def _fit_label(logits: Float32, targets: Float32, weights: Float32) -> tuple[float, float]:
    known = ~np.isnan(targets)
    if (targets[known] == 1).sum() < MIN_POSITIVES or (targets[known] == 0).sum() < MIN_POSITIVES:
        return 1.0, 0.0
    inputs, wanted, importance = (torch.from_numpy(part[known]).double() for part in (logits, targets, weights))
    parameters = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        calibrated = inputs * parameters[0].exp() + parameters[1]
        fit = F.binary_cross_entropy_with_logits(calibrated, wanted, importance, reduction="sum")
        loss = fit + PULL * (parameters**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return float(parameters[0].detach().exp()), float(parameters[1].detach())
