import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sluice.features.views import MAX_STRIP_TILES, WHOLE, choose_views, find_pictures, plain_boxes


@pytest.mark.parametrize(("size", "n_boxes"), [((10, 10), 1), ((20, 10), 1), ((21, 10), 2), ((10, 80), 4)])
def test_plain_boxes_lie_side_by_side(size: tuple[int, int], n_boxes: int) -> None:
    boxes = plain_boxes(*size)
    assert len(boxes) == n_boxes
    assert sum((right - left) * (bottom - top) for left, top, right, bottom in boxes) == pytest.approx(1.0)


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(200, 900), st.booleans(), st.integers(0, 9))
def test_what_a_strip_holds_is_in_its_views_or_said_to_be_missing(
    short: int, long: int, is_wide: bool, seed: int
) -> None:
    lines = np.random.default_rng(seed).integers(0, 256, (long, 1, 3), dtype=np.uint8).repeat(short, axis=1)
    lines[:, ::2] //= 2
    image = Image.fromarray(lines.transpose(1, 0, 2) if is_wide else lines)
    views = choose_views(image)
    covered = sum((right - left) * (bottom - top) for left, top, right, bottom in views.boxes)
    assert 1 <= len(views.boxes) <= MAX_STRIP_TILES
    assert covered > 0.99 or views.partial is not None or short == 1


def test_an_empty_strip_is_one_view() -> None:
    assert choose_views(Image.new("RGB", (10, 900))).boxes == (WHOLE,)


@pytest.mark.parametrize("share", [0.03, 0.6])
def test_specks_and_what_fills_the_page_are_no_small_pictures(share: float) -> None:
    page, side = Image.new("RGB", (500, 500), "white"), round(500 * share)
    page.paste(Image.effect_noise((side, side), 90).convert("RGB"), (20, 20))
    view = np.asarray(page.resize((160, 160))).transpose(2, 0, 1)
    assert find_pictures(page, view) is None
