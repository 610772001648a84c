"""Drawn pictures, and scenes that know where their weapon or fire is."""

import random

import numpy as np
import pytest

from sluice.features import IMAGE_SIZE_PX
from sluice_models.recipes.image.drawings import draw_fire_scene, draw_scenes, draw_weapon_scene
from sluice_models.recipes.image.flames import draw_flames
from sluice_models.recipes.image.shapes import HARMLESS, WEAPONS, draw_outline

pytestmark = pytest.mark.torch

SCENES = pytest.mark.parametrize("draw", [draw_weapon_scene, draw_fire_scene])


@SCENES
def test_scenes_keep_the_harm_inside_and_differ_in_place_and_background(draw):
    scenes = [draw(random.Random(seed)) for seed in range(8)]
    boxes = {box for _, box in scenes}
    assert len(boxes) == len(scenes)
    assert all(0 <= left < right <= 1 and 0 <= top < bottom <= 1 for left, top, right, bottom in boxes)
    assert len({picture.getpixel((1, 1)) for picture, _ in scenes}) == len(scenes)


@SCENES
def test_the_same_seed_draws_the_same_scene(draw):
    first, second = draw(random.Random(5)), draw(random.Random(5))
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1] == second[1]


@pytest.mark.parametrize("outlines", [WEAPONS, HARMLESS])
def test_outlines_change_pixels_only_within_their_box(outlines):
    backdrop = draw_weapon_scene(random.Random(0))[0]
    for name in outlines:
        picture = backdrop.copy()
        left, top, right, bottom = draw_outline(random.Random(1), picture, {name: outlines[name]})
        changed = (np.asarray(picture) != np.asarray(backdrop)).any(axis=-1)
        width, height = picture.size
        inside = changed[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
        assert inside.sum() == changed.sum() > 0


def test_flames_are_warm_and_have_edges():
    for seed in range(8):
        layer = np.asarray(draw_flames(random.Random(seed)), np.float32)
        shown = layer[layer[..., 3] > 128]
        assert 0.02 < len(shown) / layer[..., 3].size < 0.95
        assert (shown[:, 0] >= shown[:, 2]).all()


def test_scenes_for_training_are_rows_with_boxes():
    pixels, boxes = draw_scenes(6)
    assert pixels.shape == (6, 3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    assert boxes.shape == (6, 4)
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert draw_scenes(0)[0].shape == (0, 3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
