"""Objects on white: which pictures show one, where its edge is, and where it may be pasted."""

import random

import numpy as np
import pytest
import torch

from sluice_models.recipes.image.cutouts import WHITE_FROM, _placement, cut, find_cutouts, paste

pytestmark = pytest.mark.torch
S = 64


def draw_box(left, top, right, bottom, ink=30, background=255):
    picture = np.full((3, S, S), background, np.uint8)
    picture[:, top:bottom, left:right] = ink
    return picture


@pytest.mark.parametrize(
    ("picture", "is_cutout"),
    [
        (draw_box(16, 16, 48, 48), True),
        (draw_box(16, 16, 48, 48, background=WHITE_FROM), True),
        (draw_box(16, 16, 48, 48, background=WHITE_FROM - 1), False),
        (draw_box(0, 0, 0, 0), False),
        (draw_box(30, 30, 34, 34), False),
        (draw_box(3, 3, 61, 61), False),
        (draw_box(0, 0, 64, 30), False),
    ],
    ids=["object", "nearly white", "grey", "nothing", "a speck", "filled", "reaches the edge"],
)
def test_an_object_of_fair_size_on_nearly_white_is_found(picture, is_cutout):
    assert find_cutouts(picture[None]).tolist() == [is_cutout]


def test_a_coloured_background_is_not_white():
    picture = draw_box(16, 16, 48, 48)
    picture[2, picture[2] == 255] = 100  # bright yellow: two of three colours are full
    assert not find_cutouts(picture[None])[0]


def test_an_object_is_cut_along_its_edge_and_its_small_holes_are_closed():
    picture = draw_box(16, 16, 48, 48)
    picture[:, 30:32, 30:32] = 255
    picture[:, 18:28, 18:28] = 255
    opacity = cut(torch.from_numpy(picture)[None].float())[0, 0]
    assert (opacity[30:32, 30:32] == 1).all()
    assert opacity[22:24, 22:24].max() == 0  # a window through the object stays one
    assert opacity[:12].max() == 0
    assert ((opacity >= 0) & (opacity <= 1)).all()


def test_shadows_are_half_there():
    opacity = cut(torch.full((1, 3, 9, 9), WHITE_FROM - 4.0))
    torch.testing.assert_close(opacity, torch.full((1, 1, 9, 9), 0.5))


def make_objects(n_rows=8):
    return torch.from_numpy(np.stack([draw_box(16, 16, 48, 48)] * n_rows)).float()


def test_pasting_changes_only_where_it_says():
    pixels = torch.full((8, 3, S, S), 90.0)
    opacity = paste(pixels, make_objects(), random.Random(0))
    changed = (pixels != 90).any(dim=1)
    assert (changed <= (opacity[:, 0] > 0)).all()
    assert (changed.flatten(1).sum(dim=1) > 20).all()
    assert pixels.min() >= 0
    assert pixels.max() <= 90  # a dark object: nothing of its white came along


def test_pasting_repeats_with_its_seed():
    first, second = (torch.full((8, 3, S, S), 90.0) for _ in range(2))
    paste(first, make_objects(), random.Random(3))
    paste(second, make_objects(), random.Random(3))
    assert torch.equal(first, second)
    assert len(torch.unique(first.flatten(1), dim=0)) == 8  # and no two alike


@pytest.mark.parametrize("seed", range(20))
def test_an_object_stays_in_the_picture(seed):
    (a, b, c), (d, e, f) = _placement(random.Random(seed))
    x, y = np.linalg.solve([[a, b], [d, e]], [-c, -f])  # where the object's middle is laid
    size = abs(a * e - b * d) ** -0.5
    assert 0.35 <= size <= 0.95
    assert max(abs(x), abs(y)) <= 1 - size + 1e-6
