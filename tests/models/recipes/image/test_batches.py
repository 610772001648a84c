"""Which pictures a step learns from, and that a run that is begun again sees the same."""

import itertools

import numpy as np
import pytest
import torch

from sluice.schema import LABELS
from sluice_models.recipes.image.batches import PlaneRows, plane_batches, row_probabilities

pytestmark = pytest.mark.torch


@pytest.fixture
def rows():
    """Five pictures, twice each: the planes say which one, and which variety."""
    planes = np.zeros((2, 5, 2, 5, 5), np.float16)
    planes[:, :, 0] = np.arange(5)[:, None, None]
    planes[:, :, 1] = np.arange(2)[:, None, None, None]
    targets = np.tile(np.arange(5, dtype=np.float32)[:, None], (1, len(LABELS)))
    return PlaneRows(list(planes), targets, np.array(["a:weapons", "b:fire", "b:fire", "b:fire", "b:fire"]))


def test_a_group_is_heard_by_the_root_of_its_size():
    probabilities = row_probabilities(np.array(["a"] * 1 + ["b"] * 100))
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[1:].sum() / probabilities[0] == pytest.approx(10)
    assert len(set(probabilities[1:])) == 1


def test_batches_are_the_same_at_each_start_and_differ_by_seed(rows):
    first, again, other = (next(plane_batches(rows, 32, seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.targets, other.targets)


def test_every_picture_comes_in_every_variety_with_its_own_targets(rows):
    seen = set()
    for batch in itertools.islice(plane_batches(rows, 16), 20):
        picture, variety = batch.planes[:, 0, 0, 0], batch.planes[:, 1, 0, 0]
        assert torch.equal(picture.float(), batch.targets[:, 0])
        seen |= set(zip(picture.tolist(), variety.tolist(), strict=True))
    assert len(seen) == 10
