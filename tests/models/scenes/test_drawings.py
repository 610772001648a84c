"""Drawn pictures, and scenes that know where their weapon or fire is."""

import random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sluice.features import IMAGE_SIZE_PX
from tests.models.scenes.drawings import (
    SIDE_PX,
    SKETCHES,
    draw_fire_scene,
    draw_pictures,
    draw_scenes,
    draw_weapon_scene,
)
from tests.models.scenes.flames import draw_fireworks, draw_flames, draw_lamps, draw_leaves, draw_sunset
from tests.models.scenes.shapes import HARMLESS, WEAPONS, draw_outline, lay

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


def test_drawings_are_rows_of_pixels_and_repeatable():
    pictures = draw_pictures(20, seed=3)
    assert pictures.shape == (20, 3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    assert (pictures == draw_pictures(20, seed=3)).all()
    assert not (pictures == draw_pictures(20, seed=4)).all(axis=(1, 2, 3)).any()


@pytest.mark.parametrize("sketch", SKETCHES, ids=lambda sketch: sketch.__name__)
def test_every_sketch_leaves_something_on_the_paper_and_not_all_over_it(sketch):
    for seed in range(6):
        paper = Image.new("RGB", (SIDE_PX, SIDE_PX), (1, 2, 3))
        sketch(random.Random(seed), ImageDraw.Draw(paper))
        covered = (np.asarray(paper) != (1, 2, 3)).any(axis=-1).mean()
        assert 0.001 < covered < 1


@pytest.mark.parametrize("draw", [draw_fireworks, draw_lamps, draw_leaves, draw_sunset])
def test_what_looks_a_little_like_fire_is_warm_or_bright_and_repeatable(draw):
    first, second = (np.asarray(draw(random.Random(7), 120), np.float32) for _ in range(2))
    assert first.shape == (120, 120, 3)
    assert np.array_equal(first, second)
    assert first.std() > 10
    assert first.max() > 140


@pytest.mark.parametrize("size", [0.3, 0.9])
def test_what_is_laid_on_a_picture_has_the_size_asked_for_and_says_where_it_is(size):
    layer = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
    layer.paste((250, 0, 0, 255), (10, 20, 50, 40))  # twice as wide as high
    picture = Image.new("RGB", (200, 200), (0, 0, 0))
    left, top, right, bottom = lay(random.Random(2), picture, layer, (size, size))
    assert right - left == pytest.approx(size, abs=0.01)
    assert bottom - top == pytest.approx(size / 2, abs=0.01)
    inside = np.asarray(picture)[round(top * 200) : round(bottom * 200), round(left * 200) : round(right * 200)]
    assert (inside[..., 0] > 200).mean() > 0.95
