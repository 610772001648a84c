"""Of a WebP animation that is cut short the whole frames are looked at."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import MediaInvalid
from sluice.features.image import extract_image
from sluice.features.webp import keep_whole_frames
from tests.engine.features.pictures import BLUE, RED, assert_close, draw, encode, encode_animation, read_colour

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


def test_a_still_one_that_is_cut_short_is_refused() -> None:
    with pytest.raises(MediaInvalid):
        extract_image(encode(draw(), "WEBP")[:-9])


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", encode(draw(), "PNG"), encode(draw(), "WEBP"), encode_animation(4, "WEBP")]
)
def test_what_is_whole_or_something_else_stays_as_it_is(content: bytes) -> None:
    assert keep_whole_frames(content) == (content, None)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 400))
def test_wherever_it_is_cut_it_is_read_in_part_or_refused(n_bytes: int) -> None:
    content = encode_animation(4, "WEBP")
    try:
        features = extract_image(content[: min(n_bytes, len(content) - 1)])
    except MediaInvalid:
        return
    assert features.partial is not None
