"""Logits to probabilities."""

import numpy as np
import pytest

from sluice.logits import sigmoid


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_probabilities_have_the_precision_of_the_logits(precision: type) -> None:
    probabilities = sigmoid(np.array([[-30.0, 0.0, 30.0]], precision))
    assert probabilities.dtype == precision
    assert probabilities.shape == (1, 3)
    assert probabilities[0] == pytest.approx([0.0, 0.5, 1.0], abs=1e-6)
    assert sigmoid(np.array([1.0], precision)) == pytest.approx(0.7310586)
