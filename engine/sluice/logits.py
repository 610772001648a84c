"""Logits to probabilities."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

FloatT = TypeVar("FloatT", np.float32, np.float64)


def sigmoid(logits: npt.NDArray[FloatT]) -> npt.NDArray[FloatT]:
    """Probabilities in [0, 1] of logits of any shape, in the precision that the logits have."""
    probabilities: npt.NDArray[FloatT] = 1 / (1 + np.exp(-logits))
    return probabilities
