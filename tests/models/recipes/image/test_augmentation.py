"""Augmentation of pictures: how far it goes, whom it leaves alone, and that a seed repeats it."""

import random

import pytest
import torch

from sluice.features import IMAGE_SIZE_PX
from sluice_models.recipes.image.augmentation import (
    _placements,
    blur_some,
    compress_some,
    jitter_colours,
    transform,
)

pytestmark = pytest.mark.torch
S = IMAGE_SIZE_PX
N_MANY = 400


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def make_pixels(n_rows=64, side=32):
    return torch.randint(0, 256, (n_rows, 3, side, side), generator=seeded(9)).float()


def changed_rows(before, after):
    return (before != after).flatten(1).any(dim=1)


def test_placing_gives_the_wanted_side_and_marks_nothing_outside():
    planes = torch.full((16, 4, S, S), 200.0)
    planes[:, 3] = 0
    moved = transform(planes, seeded(), 96)
    assert moved.shape == (16, 4, 96, 96)
    assert (moved[:, 3] == 0).all()
    assert (moved[:, :3] < 100).any()


def test_placing_repeats_with_its_seed():
    planes = make_pixels(8)
    assert torch.equal(transform(planes, seeded(1), 32), transform(planes, seeded(1), 32))
    assert not torch.equal(transform(planes, seeded(1), 32), transform(planes, seeded(2), 32))


def test_a_harm_moves_together_with_its_mark():
    planes = torch.zeros(32, 4, 64, 64)
    planes[:, :, 24:40, 24:40] = torch.tensor([250.0, 250.0, 250.0, 1.0]).view(1, 4, 1, 1)
    moved = transform(planes, seeded(), 64)
    inside = moved[:, 3] > 0.9
    assert inside.flatten(1).any(dim=1).all()
    assert (moved[:, 0][inside] > 200).all()


def test_half_of_the_pictures_are_flipped_and_few_are_turned_far():
    maps = _placements(N_MANY, seeded())
    flipped = torch.linalg.det(maps[:, :, :2]) < 0
    assert 0.4 < flipped.float().mean() < 0.6
    turned = torch.atan2(-maps[:, 0, 1], maps[:, 1, 1]).abs() > 0.4
    assert 0.02 < turned.float().mean() < 0.2


def test_scales_stay_where_objects_can_still_be_seen():
    maps = _placements(N_MANY, seeded())
    areas = torch.linalg.det(maps[:, :, :2]).abs()
    assert areas.min() > 0.4
    assert areas.max() < 2.0
    assert maps[:, :, 2].abs().max() <= 0.15


def test_colours_change_every_picture_and_repeat_with_their_seed():
    pixels = make_pixels()
    jittered = jitter_colours(pixels.clone(), seeded(3))
    assert changed_rows(pixels, jittered).all()
    assert torch.equal(jittered, jitter_colours(pixels.clone(), seeded(3)))


def test_some_pictures_lose_their_colour_and_keep_their_shapes():
    jittered = jitter_colours(make_pixels(N_MANY, 8), seeded(3))
    grey = (jittered.amax(dim=1) - jittered.amin(dim=1)).flatten(1).amax(dim=1) < 1e-3
    assert 0.04 < grey.float().mean() < 0.18
    assert (jittered[grey].flatten(1).std(dim=1) > 5).all()


def test_brighter_stays_brighter():
    dark, bright = torch.full((N_MANY, 3, 4, 4), 60.0), torch.full((N_MANY, 3, 4, 4), 190.0)
    means = [jitter_colours(each, seeded(3)).mean(dim=(1, 2, 3)) for each in (dark, bright)]
    assert (means[1] > means[0]).all()


def test_blur_takes_detail_from_one_in_eight_and_keeps_the_level():
    pixels = make_pixels(N_MANY, 16)
    blurred = blur_some(pixels, seeded())
    rows = changed_rows(pixels, blurred)
    assert 0.07 < rows.float().mean() < 0.19
    assert (blurred[rows].flatten(1).std(dim=1) < 0.6 * pixels[rows].flatten(1).std(dim=1)).all()
    torch.testing.assert_close(blurred[rows].mean(), pixels[rows].mean(), atol=2.0, rtol=0)


def test_a_blurred_edge_is_not_darkened():
    assert (blur_some(torch.full((64, 3, 8, 8), 255.0), seeded()) == 255).all()


def test_a_poor_jpeg_looks_like_its_picture():
    ramp = torch.arange(64, dtype=torch.uint8).mul(4).expand(N_MANY, 3, 64, 64)
    packed = compress_some(ramp.clone(), random.Random(0))
    rows = changed_rows(ramp, packed)
    assert 0.07 < rows.float().mean() < 0.19
    errors = (packed[rows].float() - ramp[rows].float()).abs().mean(dim=(1, 2, 3))
    assert 0 < errors.min() <= errors.max() < 20


@pytest.mark.parametrize("change", [compress_some])
def test_most_pictures_are_left_alone(change):
    pictures = torch.randint(0, 256, (64, 3, 96, 96), dtype=torch.uint8)
    assert 0 < changed_rows(pictures, change(pictures.clone(), random.Random(0))).sum() < 32


@pytest.mark.parametrize("change", [jitter_colours, blur_some])
def test_a_batch_of_none_stays_one(change):
    assert change(torch.zeros(0, 3, 8, 8), seeded()).shape == (0, 3, 8, 8)
