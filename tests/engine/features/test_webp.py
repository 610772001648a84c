"""Of a WebP animation that is cut short the whole frames are looked at."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import MediaInvalid
from sluice.features.image import extract_image
from sluice.features.webp import CUT_SHORT, mend
from tests.engine.features.pictures import (
    BLUE,
    RED,
    assert_close,
    draw,
    encode,
    encode_animation,
    make_noise,
    read_colour,
)

# Pytest puts aside the filter that the module sets when it is imported.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


def test_the_whole_frames_of_an_animation_that_is_cut_short_are_read() -> None:
    first, second = draw(left=RED, right=RED), draw(left=BLUE, right=BLUE)
    whole = encode(first, "WEBP", save_all=True, append_images=[second], duration=500, lossless=True)
    assert len(extract_image(whole).rows) == 2
    features = extract_image(whole[:-3])
    assert features.partial is not None
    assert "the file is cut short" in features.partial
    assert_close(read_colour(features.rows[0], 0.5), RED)
    assert len(features.rows) == 1


def test_of_a_still_one_that_is_cut_short_the_first_lines_are_read() -> None:
    content = encode(make_noise(), "WEBP")
    whole = extract_image(content).rows[0].pixels
    for n_left in (len(content) - 1, len(content) - 9, len(content) // 2):
        features = extract_image(content[:n_left])
        assert features.partial == CUT_SHORT
        assert (features.rows[0].pixels[:, :50] == whole[:, :50]).all()


def test_without_any_of_its_picture_it_is_refused() -> None:
    with pytest.raises(MediaInvalid):
        extract_image(encode(draw(), "WEBP")[:18])


@pytest.mark.parametrize("size", [0, 12, -100, -8, -1, 1, 8, 100, 2**32 - 1])
def test_a_wrong_size_is_passed_over(size: int) -> None:
    content = encode(make_noise(), "WEBP")
    stated = size if size in (0, 12, 2**32 - 1) else len(content) - 8 + size
    features = extract_image(content[:4] + struct.pack("<I", stated) + content[8:])
    assert features.partial is None
    assert (features.rows[0].pixels == extract_image(content).rows[0].pixels).all()


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", encode(draw(), "PNG"), encode(draw(), "WEBP"), encode_animation(4, "WEBP")]
)
def test_what_is_whole_or_something_else_stays_as_it_is(content: bytes) -> None:
    assert mend(content) == (content, None)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 400))
def test_wherever_it_is_cut_it_is_read_in_part_or_refused(n_bytes: int) -> None:
    content = encode_animation(4, "WEBP")
    try:
        features = extract_image(content[: min(n_bytes, len(content) - 1)])
    except MediaInvalid:
        return
    assert features.partial is not None
