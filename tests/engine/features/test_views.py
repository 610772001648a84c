import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from sluice.features.image import extract_image, image_rows
from sluice.features.views import MAX_STRIP_TILES, WHOLE, choose_views, find_pictures, plain_boxes
from tests.engine.features.pictures import BLUE, RED, WHITE, assert_close, draw, encode, make_noise, read_colour

# Pytest puts aside the filter that the module sets when it is imported.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


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


@pytest.mark.parametrize(
    ("size", "n_rows"),
    [((40, 40), 1), ((80, 40), 1), ((82, 40), 2), ((40, 160), 2), ((200, 40), 3), ((40, 320), 4)],
)
def test_long_images_are_tiled_along_their_long_side(size: tuple[int, int], n_rows: int) -> None:
    boxes = [row.box for row in image_rows(Image.new("RGB", size))]
    along = 0 if size[0] > size[1] else 1
    assert len(boxes) == n_rows
    assert (boxes[0][along], boxes[-1][along + 2]) == (0.0, 1.0)
    assert all(first[along + 2] == second[along] for first, second in itertools.pairwise(boxes))
    assert all((box[1 - along], box[3 - along]) == (0.0, 1.0) for box in boxes)


def test_a_tile_shows_its_part() -> None:
    left, right = image_rows(draw(160, 40))
    assert_close(read_colour(left, 0.9), RED)
    assert_close(read_colour(right, 0.1), BLUE)


def test_of_a_strip_only_what_holds_something_is_looked_at() -> None:
    strip = Image.new("RGB", (100, 4000), WHITE)
    strip.paste(draw(100, 60), (0, 3500))
    features = extract_image(encode(strip))
    (row,) = features.rows
    assert row.box[1] == pytest.approx(0.875, abs=0.01)
    assert_close(read_colour(row, 0.2), RED)
    assert features.partial is None


def test_a_strip_is_cut_between_its_pictures() -> None:
    strip = Image.new("RGB", (100, 4000), WHITE)
    for top in range(0, 4000, 400):
        strip.paste(draw(100, 150), (0, top + 20))
    assert len(extract_image(encode(strip)).rows) == 10


def test_a_strip_too_long_to_be_looked_at_is_partial() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8000, 100, 3), dtype=np.uint8)
    features = extract_image(encode(Image.fromarray(noise)))
    assert len(features.rows) == 16
    assert features.partial == "16 of 40 tiles read"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("paper", ["white", "black"])
def test_a_small_picture_on_a_page_fills_a_view(kind: str, paper: str) -> None:
    page = Image.new("RGB", (1600, 1600), paper)
    page.paste(draw(300, 200), (600, 700))
    (row,) = extract_image(encode(page, kind)).rows
    assert row.box == pytest.approx((0.375, 0.4375, 0.5625, 0.5625), abs=0.01)
    assert_close(read_colour(row, 0.2), RED, 40)
    assert_close(read_colour(row, 0.8), BLUE, 40)


def test_small_pictures_on_a_page_are_looked_at_one_by_one() -> None:
    page = Image.new("RGB", (1600, 1600), WHITE)
    for column in range(4):
        for line in range(3):
            page.paste(make_noise(), (column * 400 + 50, line * 400 + 50))
    features = extract_image(encode(page))
    assert len(features.rows) == 9
    assert features.partial == "8 of 12 pictures on the page read closely"


def test_letters_on_a_page_are_no_pictures() -> None:
    page = Image.new("RGB", (640, 640), WHITE)
    ImageDraw.Draw(page).text((40, 240), "Soup of the day", font=ImageFont.load_default(72), fill="black")
    assert [row.box for row in extract_image(encode(page)).rows] == [WHOLE]
