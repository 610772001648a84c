"""Calibration: scale and shift per label, and when a label is left as it is."""

import numpy as np
import pytest

from sluice.logits import sigmoid
from sluice_models.training.platt import MIN_POSITIVES, fit_calibration

pytestmark = pytest.mark.torch


def make_label(n_rows=20_000, seed=0):
    """True logits, shape = (n, 1), and targets drawn by them."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-1, 2, (n_rows, 1)).astype(np.float32)
    return true, (rng.random(true.shape) < sigmoid(true)).astype(np.float32)


def fit(logits, targets, weights=None):
    scale, shift = fit_calibration(logits, targets, np.ones_like(targets) if weights is None else weights)
    return scale.tolist(), shift.tolist()


def test_calibration_finds_the_scale_and_shift_that_were_applied():
    true, targets = make_label()
    (scale,), (shift,) = fit((true - 1) * 2, targets)
    assert scale == pytest.approx(0.5, abs=0.05)
    assert shift == pytest.approx(1.0, abs=0.1)


def test_fitting_twice_changes_nothing():
    true, targets = make_label()
    (scale,), (shift,) = fit((true - 1) * 2, targets)
    (again,), (moved,) = fit((true - 1) * 2 * np.float32(scale) + np.float32(shift), targets)
    assert again == pytest.approx(1.0, abs=0.01)
    assert moved == pytest.approx(0.0, abs=0.02)


def test_calibrated_scores_are_right_on_average():
    true, targets = make_label(4000)
    logits = true * 3 + 2
    (scale,), (shift,) = fit(logits, targets)
    assert sigmoid(logits * scale + shift).mean() == pytest.approx(targets.mean(), abs=0.005)


def test_scores_that_rank_the_wrong_way_are_not_turned_around():
    true, targets = make_label(2000)
    (scale,), _ = fit(-true, targets)
    assert 0 < scale < 0.1


@pytest.mark.parametrize("rare", [0.0, 1.0])
def test_a_label_with_few_rows_of_either_kind_is_left_as_it_is(rare):
    targets = np.full((100, 1), 1 - rare, np.float32)
    targets[: MIN_POSITIVES - 1] = rare
    assert fit(np.ones((100, 1), np.float32), targets) == ([1.0], [0.0])
    targets[:MIN_POSITIVES] = rare
    assert fit(np.ones((100, 1), np.float32), targets) != ([1.0], [0.0])


def test_labels_are_fitted_each_by_itself():
    true, targets = make_label(2000)
    other, others = make_label(2000, seed=1)
    together = fit(np.hstack([true * 2, other - 3]), np.hstack([targets, others]))
    alone = fit(true * 2, targets), fit(other - 3, others)
    for both, first, second in zip(together, *alone, strict=True):
        assert both == pytest.approx(first + second, abs=1e-4)


def test_rows_that_are_not_annotated_do_not_count():
    true, targets = make_label(2000)
    unknown = np.full((500, 1), np.nan, np.float32)
    with_unknown = fit(np.vstack([true, unknown * 0 + 7]), np.vstack([targets, unknown]))
    for found, wanted in zip(with_unknown, fit(true, targets), strict=True):
        assert found == pytest.approx(wanted, abs=1e-5)


def test_a_row_of_weight_two_counts_as_two_rows():
    true, targets = make_label(400)
    twice = fit(np.repeat(true, 2, axis=0), np.repeat(targets, 2, axis=0))
    for weighted, repeated in zip(fit(true, targets, np.full_like(targets, 2.0)), twice, strict=True):
        assert weighted == pytest.approx(repeated, abs=1e-4)


def test_few_rows_that_happen_to_be_apart_are_not_believed_without_end():
    positive = np.arange(2 * MIN_POSITIVES)[:, None] >= MIN_POSITIVES
    logits, targets = np.where(positive, 0.1, -0.1).astype(np.float32), positive.astype(np.float32)
    (few,), _ = fit(logits, targets)
    (many,), _ = fit(np.tile(logits, (50, 1)), np.tile(targets, (50, 1)))
    assert 1 < few < many
    assert sigmoid(np.array([0.1 * few])).item() < 0.9
