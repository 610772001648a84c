from typing import Any

import pytest
from PIL import Image

from sluice.features.image import MAX_PIXELS, extract_image
from sluice.features.webp import CUT_SHORT
from tests.engine.features.pictures import RED, assert_close, draw, encode, make_noise, read_colour

# Pytest puts aside the filter that the module sets when it is imported.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


def test_a_large_jpeg_is_decoded_at_a_smaller_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def spy(image: Image.Image, *args: Any, **options: Any) -> Image.Image:
        sizes.append(image.size)
        return resize(image, *args, **options)

    monkeypatch.setattr(Image.Image, "resize", spy)
    row = extract_image(encode(draw(4000, 3000), "JPEG")).rows[0]
    assert set(sizes) == {(500, 375)}
    assert_close(read_colour(row, 0.2), RED)


def test_a_jpeg_that_ends_early_by_its_own_word_is_partial() -> None:
    content = encode(make_noise(), "JPEG")
    assert extract_image(content[: len(content) // 2] + b"\xff\xd9").partial == CUT_SHORT


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("behind", [b"", b"abc" * 100 + b"\xff\xd9"])
def test_what_stands_behind_its_end_does_not_make_a_jpeg_whole(share: float, behind: bytes) -> None:
    content = encode(make_noise(), "JPEG")
    cut = content[: int(len(content) * share)]
    assert extract_image(cut + b"\xff\xd9" + behind).partial == CUT_SHORT


@pytest.mark.parametrize("filler", [b"\xff\xda" * 200, b"\xff\xd9" * 200, b"\xff" * 99])
def test_what_segments_hold_is_no_scan_and_no_end(filler: bytes) -> None:
    content = encode(make_noise(), "JPEG")
    segment = b"\xff\xe4" + (len(filler) + 2).to_bytes(2, "big") + filler
    features = extract_image(content[:2] + segment + content[2:])
    assert features.partial is None
    assert (features.rows[0].pixels == extract_image(content).rows[0].pixels).all()


def test_a_film_behind_a_photo_holds_no_scans_of_it() -> None:
    """As phones write them: the photo, then a second of film."""
    content = encode(make_noise(), "JPEG")
    assert extract_image(content + b"\xff\xda\x00\x08" * 5_000).partial is None


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_whole(progressive: bool) -> None:
    content = encode(make_noise(), "JPEG", progressive=progressive)
    assert extract_image(content[:-2]).partial is None
    assert extract_image(content[: len(content) // 2]).partial == CUT_SHORT


def test_a_grey_jpeg_is_whole() -> None:
    assert extract_image(encode(Image.new("RGB", (64, 64), (128, 128, 128)), "JPEG")).partial is None


def test_a_jpeg_of_hundreds_of_scans_is_read_in_part() -> None:
    content = encode(make_noise(), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    features = extract_image(content[:-2] + content[last:-2] * 300 + b"\xff\xd9")
    assert features.partial is not None
    assert features.partial.startswith("the first 100 of ")


def test_a_jpeg_larger_than_what_is_decoded_is_read_at_an_eighth() -> None:
    content = encode(Image.new("L", (9_000, 8_000), 77), "JPEG", quality=20)
    assert MAX_PIXELS < 9_000 * 8_000
    assert_close(read_colour(extract_image(content).rows[0], 0.5), (77, 77, 77))
