"""A split through the fusion, and calibration that no row has seen itself in."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sluice.logits import sigmoid
from sluice.schema import LABELS, MODALITIES
from sluice_models.measure import scored_split
from sluice_models.measure.scored_split import N_FOLDS, certain_rows, cross_fit, score_split
from sluice_models.recipes.fusion.encoded import Encoded, one_row_each

pytestmark = pytest.mark.torch
N_LABELS = len(LABELS)


def make_part(n_rows: int = 200, seed: int = 0) -> Encoded:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n_rows, N_LABELS)).astype(np.float32)
    targets = (rng.random(logits.shape) < sigmoid(logits)).astype(np.float32)
    targets[:, 2:] = np.nan  # each label takes a while to calibrate
    return Encoded(
        *one_row_each(np.zeros((n_rows, 1, 1), np.float32)),
        logits,
        targets,
        np.ones_like(targets),
        targets,
        ["one"] * n_rows,
    )


def plain_fusion(scale: float = 1.0, shift: float = 0.0) -> SimpleNamespace:
    size = (len(MODALITIES) + 1, N_LABELS)
    return SimpleNamespace(scale=torch.full(size, scale), shift=torch.full(size, shift))


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch):
    """Three kinds of rows; the fusion says what the encoders say, and one more."""
    monkeypatch.setattr(scored_split, "score_parts", lambda fusion, part, kind: (part.logits + 1.0, None))
    parts = [make_part(100 + kind, seed=kind) for kind in range(len(MODALITIES))]
    return parts, score_split(plain_fusion(), parts)


def test_kinds_come_in_the_order_of_the_modalities_with_their_rows(scored) -> None:
    parts, found = scored
    assert [each.modality for each in found] == list(MODALITIES)
    assert all(each.part is part for each, part in zip(found, parts, strict=True))


def test_the_fusion_and_the_encoder_alone_are_both_probabilities(scored) -> None:
    parts, found = scored
    for part, each in zip(parts, found, strict=True):
        np.testing.assert_allclose(each.probabilities, sigmoid(part.logits + 1.0), atol=1e-6)
        np.testing.assert_allclose(each.alone, sigmoid(part.logits), atol=1e-6)
        assert each.cross_fitted.shape == part.logits.shape
        assert ((each.cross_fitted >= 0) & (each.cross_fitted <= 1)).all()


def test_the_same_split_is_scored_alike_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scored_split, "score_parts", lambda fusion, part, kind: (part.logits, None))
    first, second = (score_split(plain_fusion(), [make_part() for _ in MODALITIES]) for _ in range(2))
    assert np.array_equal(first[0].cross_fitted, second[0].cross_fitted)
    assert N_FOLDS > 1


def test_ranks_within_a_fold_stay_as_they_are() -> None:
    """A calibration of a scale and a shift moves scores, and turns none round."""
    part = make_part()
    folds = np.arange(len(part.targets)) % 4
    (fitted,) = cross_fit(plain_fusion(), [part.logits], [part], [folds])
    for fold in range(4):
        own = folds == fold
        for label in range(2):
            order = np.argsort(part.logits[own, label], kind="stable")
            assert (np.diff(fitted[own, label][order]) >= -1e-6).all()


@pytest.mark.parametrize(("scale", "shift"), [(3.0, -2.0), (0.5, 1.0)])
def test_the_calibration_that_ships_makes_no_difference(scale: float, shift: float) -> None:
    part = make_part(60)
    folds = np.arange(60) % 2
    (plain,) = cross_fit(plain_fusion(), [part.logits], [part], [folds])
    (calibrated,) = cross_fit(plain_fusion(scale, shift), [part.logits * scale + shift], [part], [folds])
    np.testing.assert_allclose(plain, calibrated, atol=2e-3)


def test_rows_that_do_not_say_or_were_assumed_are_not_certain() -> None:
    part = make_part(5)
    label, index = LABELS[1], 1
    part.targets[0, index] = np.nan
    part.weights[1, index] = 0.3
    assert certain_rows(part, label).tolist() == [False, False, True, True, True]
    assert certain_rows(part, LABELS[0]).all()


def test_a_part_is_not_changed_by_being_scored() -> None:
    part = make_part(40)
    before = replace(part, logits=part.logits.copy(), targets=part.targets.copy())
    cross_fit(plain_fusion(), [part.logits], [part], [np.arange(40) % 2])
    assert np.array_equal(part.logits, before.logits)
    assert np.array_equal(part.targets, before.targets, equal_nan=True)
