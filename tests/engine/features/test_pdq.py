"""PDQ hashes, against those of Meta's reference code: pictures and hashes were made with `pdqhash` 0.2.8."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from sluice.features import Print
from sluice.features.image import (
    extract_image,
    extract_image_and_prints,
    extract_image_pages_and_prints,
)
from sluice.features.pdq import hash_picture


def waves(width: int, height: int) -> Image.Image:
    """A picture that anybody can draw again: sums of waves."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    red = 127 + 60 * np.sin(x / 17) + 60 * np.cos(y / 23)
    green = 127 + 60 * np.sin((x + y) / 31) + 60 * np.cos((x - 2 * y) / 41)
    blue = (x * y) % 251
    return Image.fromarray(np.clip(np.stack([red, green, blue], axis=2), 0, 255).astype(np.uint8))


REFERENCE = {
    (300, 200): ("fab4ca90dab4dab25ab45a905efc52105afcdad05ffc52905ffc555200036aad", 100),
    (64, 64): ("999933116633c6330c6338e370c7c3c787870f0e3c0ff01e807f03f83ffffd00", 100),
    (77, 381): ("02ff67b2fee007fedd98fe825fffeb3ad001ffff375500005540911510223045", 100),
    (128, 128): ("946f07fa1028bfea12e9d5d65aec54224ee8deaefbf4442aba88aeeed5550001", 100),
}


@pytest.mark.parametrize(("size", "expected"), REFERENCE.items())
def test_small_pictures_have_the_references_hash(size: tuple[int, int], expected: tuple[str, int]) -> None:
    found = hash_picture(waves(*size))
    assert (found.bits.hex(), found.quality) == expected


def apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def test_copies_in_another_size_differ_in_few_bits() -> None:
    picture = waves(1200, 900)
    whole = hash_picture(picture).bits
    assert apart(whole, hash_picture(picture.resize((400, 300))).bits) <= 16
    assert apart(whole, hash_picture(waves(900, 1200)).bits) > 60


def test_what_shows_nothing_has_no_quality() -> None:
    assert hash_picture(Image.new("RGB", (200, 200), "red")).quality == 0
    tiny = hash_picture(Image.new("RGB", (4, 400)))
    assert (tiny.bits, tiny.quality) == (bytes(32), 0)


def test_each_scene_of_an_animation_has_its_hash() -> None:
    frames = [waves(300, 200), waves(300, 200).rotate(90, expand=True).resize((300, 200))]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=1000)
    shown = ImageSequence.Iterator(Image.open(file))
    expected = [hash_picture(frame.convert("RGB")) for frame in shown]
    assert list(extract_image_and_prints(file.getvalue()).prints) == expected
    assert extract_image(file.getvalue()).prints == ()


def on_a_page(picture: Image.Image) -> Image.Image:
    """A small picture on a large page: it is looked at on its own, and the file decoded again for that."""
    page = Image.new("RGB", (1600, 1200), "white")
    page.paste(picture, (300, 200))
    return page


@pytest.mark.parametrize("whole", [waves(1600, 1200), on_a_page(waves(500, 400))], ids=["photograph", "page"])
def test_a_large_jpeg_is_hashed_once_whatever_else_is_made_of_it(
    whole: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph = io.BytesIO()
    whole.save(photograph, "JPEG", quality=90)
    hashed: list[tuple[int, int]] = []

    def note(rgb: Image.Image) -> Print:
        hashed.append(rgb.size)
        return hash_picture(rgb)

    monkeypatch.setattr("sluice.features.pdq.hash_picture", note)
    (one,) = extract_image_and_prints(photograph.getvalue()).prints
    assert len(hashed) == 1
    assert hashed[0] < whole.size  # decoded at a part of its size
    assert extract_image_pages_and_prints(photograph.getvalue()).prints == (one,)
    assert apart(one.bits, hash_picture(whole).bits) <= 16
