"""How good scores are, and thresholds on harmless rows."""

import math

import numpy as np
import pytest

from sluice_models.measure.scores import find_threshold, measure_auprc, measure_auroc

pytestmark = pytest.mark.torch


def test_figures_of_a_small_example():
    scores = np.array([0.9, 0.8, 0.7, 0.1], np.float32)
    positive = np.array([True, False, True, False])
    assert measure_auroc(scores, positive) == pytest.approx(0.75)
    assert measure_auprc(scores, positive) == pytest.approx((1 + 2 / 3) / 2)


def test_ties_count_half_and_their_order_does_not_matter():
    scores = np.array([0.5, 0.5], np.float32)
    for positive in (np.array([True, False]), np.array([False, True])):
        assert measure_auroc(scores, positive) == pytest.approx(0.5)
        assert measure_auprc(scores, positive) == pytest.approx(0.5)


def test_figures_without_both_kinds_are_not_numbers():
    assert math.isnan(measure_auroc(np.array([0.1]), np.array([True])))
    assert math.isnan(measure_auprc(np.array([0.1]), np.array([False])))


def test_a_threshold_lets_through_the_share_asked_for():
    scores = np.arange(100, dtype=np.float32) / 100
    threshold = find_threshold(scores, np.ones(100, bool), 0.05)
    assert (scores >= threshold).mean() == pytest.approx(0.05)
