"""Pictures as pages: fine enough for letters, within bounds, in the places they come from."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sluice.contract import ALL_PAGES_PIXELS, PAGE_PIXELS
from sluice.features.image import extract_image, extract_image_and_pages
from sluice.features.pages import keep_within_limit, least_size
from tests.engine.features.pictures import draw, encode, make_noise

WHOLE = (0.0, 0.0, 1.0, 1.0)


def count(pages):
    return sum(page.pixels.shape[0] * page.pixels.shape[1] for page in pages)


def shapes(content):
    return [page.pixels.shape for page in extract_image_and_pages(content).pages]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_small_picture_is_a_page_as_it_is(kind):
    content = encode(draw(300, 200), kind)
    (page,) = extract_image_and_pages(content).pages
    assert (page.pixels.shape, page.pixels.dtype, page.box) == ((200, 300, 3), np.dtype(np.uint8), WHOLE)
    assert extract_image(content).pages == ()


def test_rows_are_the_same_with_and_without_pages():
    for content in (encode(make_noise(), "JPEG"), encode(draw(2000, 1500), "JPEG"), encode(draw(900, 2400))):
        plain, paged = extract_image(content), extract_image_and_pages(content)
        assert plain.partial == paged.partial
        for one, other in zip(plain.rows, paged.rows, strict=True):
            assert np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("size", [(3000, 2000), (700, 3000), (4000, 510)])
def test_a_large_picture_is_one_page_made_smaller(size):
    ((height, width, _),) = shapes(encode(draw(*size)))
    assert 0.98 * PAGE_PIXELS <= width * height <= PAGE_PIXELS
    assert width / height == pytest.approx(size[0] / size[1], rel=0.02)


def test_a_large_jpeg_is_decoded_finely_enough_for_its_page():
    ((height, width, _),) = shapes(encode(draw(3000, 2000), "JPEG"))
    assert PAGE_PIXELS / 2 <= width * height <= PAGE_PIXELS
    assert least_size(3000, 2000) == (886, 591)
    assert least_size(30, 20) == (30, 20)


def test_a_strip_has_a_page_per_tile():
    noise = make_noise().resize((200, 4000))
    pages = extract_image_and_pages(encode(noise)).pages
    assert len(pages) > 4
    assert [page.box for page in pages] == [row.box for row in extract_image(encode(noise)).rows]
    assert count(pages) <= ALL_PAGES_PIXELS


@pytest.mark.parametrize(
    "image", [Image.new("RGB", (300, 200), "white"), make_noise().resize((300, 11)), Image.new("RGBA", (1, 1))]
)
def test_where_there_is_no_room_for_words_there_is_no_page(image):
    assert shapes(encode(image)) == []


def test_every_reading_of_transparent_colours_is_a_page():
    image = make_noise().convert("RGBA").resize((200, 100))
    image.paste((255, 0, 0, 0), (0, 0, 100, 100))
    image.paste((0, 0, 255, 0), (20, 20, 80, 80))
    assert len(shapes(encode(image))) == 2


def test_chosen_frames_of_an_animation_are_pages_unless_they_are_copies():
    pictures = [
        draw(200, 100),
        draw(200, 100),
        make_noise().resize((200, 100)),
        make_noise().resize((200, 100)).rotate(180),
    ]
    content = encode(pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=500)
    assert shapes(content) == [(100, 200, 3)] * 3


def test_pages_are_kept_as_far_as_there_is_room():
    (page,) = extract_image_and_pages(encode(draw(2000, 2000))).pages
    kept = keep_within_limit([page] * 9)
    assert len(kept) == ALL_PAGES_PIXELS // (page.pixels.shape[0] * page.pixels.shape[1])
