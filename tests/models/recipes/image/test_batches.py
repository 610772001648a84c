"""What the image encoder is trained on: chosen in shares, pasted on, varied, and marked where the harm is."""

import itertools

import numpy as np
import pytest
import torch

from sluice.features import IMAGE_SIZE_PX
from sluice.schema import LABELS
from sluice_models.config import ImageNetwork
from sluice_models.networks.image import ImageEncoder
from sluice_models.recipes.image.batches import (
    FIRST_STAGE,
    LAST_STAGE,
    SHARES,
    cell_targets,
    mark_box,
    picture_batches,
    row_probabilities,
    side_at,
)
from sluice_models.recipes.image.drawings import draw_pictures, draw_scenes
from sluice_models.recipes.image.pictures import FIRE, SEEN, WEAPONS, Pictures
from sluice_models.training.train_image import image_loss

pytestmark = pytest.mark.torch

S = IMAGE_SIZE_PX


def make_pictures():
    """Ten drawn scenes with weapon and fire by turns, and ten harmless drawings; two of them on white."""
    scenes, boxes = draw_scenes(10)
    harmless = draw_pictures(10, seed=1)
    for pixels in (scenes[0], harmless[0]):
        pixels[:] = 255
        pixels[:, 40:120, 40:120] = 30
    targets = np.zeros((20, len(LABELS)), np.float32)
    targets[0:10:2, WEAPONS] = targets[1:10:2, FIRE] = 1
    groups = np.array(["made:weapons", "made:fire"] * 5 + ["made:harmless"] * 10)
    known = np.concatenate([boxes, np.full((10, 4), np.nan, np.float32)])
    return Pictures(np.concatenate([scenes, harmless]), targets, known, np.arange(20) % 5, groups)


def take(n_batches, n_steps=4):
    return list(itertools.islice(picture_batches(make_pictures(), 8, n_steps), n_batches))


def test_groups_get_their_shares_whatever_their_size():
    groups = np.array(["a:weapons"] * 300 + ["b:fire"] * 10 + ["c:harmless"] * 5)
    probabilities = row_probabilities(groups)
    assert probabilities.sum() == pytest.approx(1)
    ratio = probabilities[:300].sum() / probabilities[300:310].sum()
    assert ratio == pytest.approx(SHARES["weapons"] / SHARES["fire"])
    assert len(set(probabilities[:300])) == 1


def test_the_last_stage_is_full_size_and_sees_more_look_alikes():
    assert all(sum(plan.shares.values()) < 1 for plan in (FIRST_STAGE, LAST_STAGE))
    assert LAST_STAGE.shares["drawn:harmless"] > FIRST_STAGE.shares["drawn:harmless"]
    batches = list(itertools.islice(picture_batches(make_pictures(), 8, 4, LAST_STAGE), 2))
    assert {batch.pixels.shape[-1] for batch in batches} == {S}


def test_batches_are_the_same_at_each_start():
    for first, second in zip(take(3), take(3), strict=True):
        assert all(torch.equal(a.nan_to_num(9.0), b.nan_to_num(9.0)) for a, b in zip(first, second, strict=True))


def test_sides_grow_to_that_of_serving():
    sides = [batch.pixels.shape[-1] for batch in take(6)]
    assert sides == sorted(sides)
    assert sides[0] < sides[-1] == S == side_at(1.5)
    assert all(side % 32 == 0 for side in sides)


def test_cells_tell_only_what_is_known():
    for batch in take(4):
        seen = batch.targets[:, [WEAPONS, FIRE]]
        assert (batch.cells[seen == 0] == 0).all()
        assert batch.cells.shape == (8, len(SEEN), batch.pixels.shape[-1] // 16, batch.pixels.shape[-1] // 16)


def test_a_box_becomes_the_cells_inside_it():
    marks = mark_box(np.array([0.5, 0.0, 1.0, 0.5], np.float32)).view(1, 1, S, S)
    targets = torch.zeros(1, len(LABELS))
    targets[0, WEAPONS] = 1
    cells = cell_targets(marks, torch.tensor([True]), targets)
    assert (cells[0, 0, :5, 5:] == 1).all()
    assert cells[0, 0].sum() == 25
    assert (cells[0, 1] == 0).all()
    assert cell_targets(marks, torch.tensor([False]), targets)[0, 0].isnan().all()


def test_a_pasted_weapon_brings_its_label_and_its_place():
    pasted = 0
    for batch in take(12, 12):
        positive = batch.targets[:, WEAPONS] == 1
        pasted += int((positive & (batch.kinds == -1)).sum())
        assert (batch.kinds[~positive] >= -1).all()
    assert pasted > 0


def test_the_loss_reaches_every_weight_at_every_side():
    torch.manual_seed(0)
    encoder = ImageEncoder(ImageNetwork(channels=(4, 4, 8, 8)))
    for batch in take(4):
        encoder.zero_grad()
        image_loss(encoder, batch, torch.ones(len(LABELS))).backward()
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in encoder.parameters())
