"""Losses, calibration and figures."""

import math

import numpy as np
import pytest
import torch

from sluice_models.measure.scores import find_threshold, measure_auprc, measure_auroc
from sluice_models.training.losses import masked_loss, masked_mark_loss, weigh_positives
from sluice_models.training.platt import fit_calibration

pytestmark = pytest.mark.torch


def test_labels_that_are_not_annotated_do_not_count():
    logits = torch.tensor([[0.0, 5.0]], requires_grad=True)
    loss = masked_loss(logits, torch.tensor([[1.0, float("nan")]]), torch.ones(1, 2), torch.ones(2))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert logits.grad[0, 1] == 0


def test_weights_scale_a_label():
    arguments = torch.zeros(1, 1), torch.zeros(1, 1)
    half = masked_loss(*arguments, torch.full((1, 1), 0.5), torch.ones(1))
    assert half.item() == pytest.approx(0.5 * math.log(2))


def test_marks_without_supervision_cost_nothing():
    assert masked_mark_loss(torch.tensor([[0.3, 0.9]]), torch.full((1, 2), float("nan"))).item() == 0
    assert masked_mark_loss(torch.tensor([[0.5]]), torch.tensor([[1.0]])).item() == pytest.approx(math.log(2))


def test_rare_positives_weigh_more_up_to_the_limit():
    targets = np.array([[1, 1], *[[0, np.nan]] * 9, *[[0, 0]] * 7], np.float32)
    assert weigh_positives(targets, 3.0).tolist() == pytest.approx([3.0, math.sqrt(7)])


def test_calibration_finds_the_scale_and_shift_that_were_applied():
    rng = np.random.default_rng(0)
    true = rng.normal(-1, 2, 20_000)
    targets = (rng.random(len(true)) < 1 / (1 + np.exp(-true))).astype(np.float32)[:, None]
    seen = ((true - 1.0) * 2.0).astype(np.float32)[:, None]
    scale, shift = fit_calibration(seen, targets, np.ones_like(targets))
    assert scale.item() == pytest.approx(0.5, abs=0.05)
    assert shift.item() == pytest.approx(1.0, abs=0.1)


def test_a_label_with_few_positives_is_left_as_it_is():
    targets = np.zeros((100, 1), np.float32)
    targets[:5] = 1
    scale, shift = fit_calibration(np.ones((100, 1), np.float32), targets, np.ones_like(targets))
    assert (scale.item(), shift.item()) == (1.0, 0.0)


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
