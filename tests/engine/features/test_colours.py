import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from sluice.features.colours import read_colours
from sluice.features.image import extract_image, image_rows
from tests.engine.features.pictures import (
    BLUE,
    RED,
    WHITE,
    assert_close,
    draw,
    encode,
    make_chunk,
    make_noise,
    read_colour,
)

# Pytest puts aside the filter that the module sets when it is imported.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    grey = draw(left=(0, 0, 0), right=WHITE).convert("L")
    row = image_rows(grey.convert("LA").convert("PA") if mode == "PA" else grey.convert("RGB").convert(mode))[0]
    assert_close(read_colour(row, 0.2), (0, 0, 0))
    assert_close(read_colour(row, 0.8), WHITE)


def test_lab_becomes_grey() -> None:
    lab = Image.merge("LAB", [draw(left=(0, 0, 0), right=WHITE).convert("L")] * 3)
    assert_close(read_colour(extract_image(encode(lab, "TIFF")).rows[0], 0.8), WHITE)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_is_scaled_by_its_range(kind: str) -> None:
    values = np.full((40, 60), 0x4000, dtype=np.uint16)
    values[:, 30:] = 0xFFFF
    row = extract_image(encode(Image.fromarray(values), kind)).rows[0]
    assert_close(read_colour(row, 0.2), (64, 64, 64))
    assert_close(read_colour(row, 0.8), WHITE)


def test_32_bit_integers_with_16_bit_values_are_scaled_by_their_range() -> None:
    values = np.full((40, 60), 0x4000, dtype=np.int32)
    values[:, 30:] = 0x8000
    row = extract_image(encode(Image.fromarray(values), "TIFF")).rows[0]
    assert_close(read_colour(row, 0.2), (64, 64, 64))
    assert_close(read_colour(row, 0.8), (128, 128, 128))


@pytest.mark.parametrize(
    ("dark", "light"), [(0.0, 1.0), (0.0, 255.0), (0.0, 65_535.0), (-5.0, 5.0), (0.0, 1e6), (np.nan, 1.0)]
)
def test_float_pixels_use_the_range_they_most_likely_have(dark: float, light: float) -> None:
    values = np.full((40, 60), dark, dtype=np.float32)
    values[:, 30:] = light
    row = extract_image(encode(Image.fromarray(values), "TIFF")).rows[0]
    assert_close(read_colour(row, 0.2), (0, 0, 0))
    assert_close(read_colour(row, 0.8), WHITE)


def test_cmyk_jpeg() -> None:
    row = extract_image(encode(draw().convert("CMYK"), "JPEG")).rows[0]
    assert_close(read_colour(row, 0.2), RED)


def test_alpha_is_laid_on_white() -> None:
    image = draw().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 30, 40))
    row = extract_image(encode(image)).rows[0]
    assert_close(read_colour(row, 0.2), WHITE)
    assert_close(read_colour(row, 0.8), BLUE)


def test_a_transparent_palette_entry_is_laid_on_white() -> None:
    image = draw().quantize(2)
    clear = image.getpixel((1, 1))
    row = extract_image(encode(image, transparency=clear)).rows[0]
    assert_close(read_colour(row, 0.2), WHITE)


def test_colours_under_full_transparency_are_read() -> None:
    hidden = draw().convert("RGBA")
    hidden.putalpha(0)
    (row,) = extract_image(encode(hidden)).rows
    assert_close(read_colour(row, 0.2), RED)


def test_a_picture_hidden_beside_a_shown_one_is_a_reading_of_its_own() -> None:
    image = draw(120, 80, left=(0, 99, 0), right=(0, 99, 0)).convert("RGBA")
    image.paste(draw(60, 40), (10, 20))
    alpha = Image.new("L", (120, 80), 255)
    alpha.paste(0, (10, 20, 70, 60))
    image.putalpha(alpha)
    shown, hidden = extract_image(encode(image)).rows
    assert_close(read_colour(shown, 0.2), WHITE)
    assert_close(read_colour(hidden, 0.2), RED)


def test_a_dark_spot_does_not_hide_a_white_drawing() -> None:
    rgba = Image.new("RGBA", (120, 120), (255, 255, 255, 0))
    rgba.paste((255, 255, 255, 255), (10, 10, 90, 60))
    rgba.paste((0, 0, 0, 255), (100, 100, 112, 112))
    assert len(extract_image(encode(rgba, "PNG")).rows) == 2


def test_a_dark_drawing_on_nothing_has_one_reading() -> None:
    rgba = Image.new("RGBA", (120, 120), (0, 0, 0, 0))
    rgba.paste((20, 20, 20, 255), (10, 10, 90, 60))
    assert len(extract_image(encode(rgba, "PNG")).rows) == 1


def test_white_letters_on_nothing_are_laid_on_black() -> None:
    image = Image.new("RGBA", (60, 40), (255, 255, 255, 0))
    image.paste((255, 255, 255, 255), (0, 0, 30, 40))
    (row,) = extract_image(encode(image)).rows
    assert_close(read_colour(row, 0.2), WHITE)
    assert_close(read_colour(row, 0.8), (0, 0, 0))


def swap_red_and_green() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    n_tags = int.from_bytes(profile[128:132], "big")
    tags = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 136 + 12 * i for i in range(n_tags)}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    profile[red : red + 8], profile[green : green + 8] = profile[green : green + 8], profile[red : red + 8]
    return bytes(profile)


def test_a_colour_profile_is_applied() -> None:
    image = draw(left=(0, 255, 0))
    row = extract_image(encode(image, icc_profile=swap_red_and_green())).rows[0]
    assert_close(read_colour(row, 0.2), RED, 20)


def test_the_profile_that_is_meant_anyway_changes_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain, profiled = (extract_image(encode(make_noise(), icc_profile=each)).rows[0] for each in (None, srgb))
    assert np.array_equal(plain.pixels, profiled.pixels)


@pytest.mark.parametrize("profile", [b"no profile", bytes(200)])
def test_a_profile_that_cannot_be_used_is_ignored(profile: bytes) -> None:
    assert_close(read_colour(extract_image(encode(draw(), icc_profile=profile)).rows[0], 0.2), RED)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("n_bits", [10, 12, 14])
def test_few_bits_in_16_are_not_black(kind: str, n_bits: int) -> None:
    values = np.full((40, 60), 2 ** (n_bits - 2), dtype=np.uint16)
    values[:, 30:] = 2**n_bits - 1
    row = extract_image(encode(Image.fromarray(values), kind)).rows[0]
    assert_close(read_colour(row, 0.2), (64, 64, 64))
    assert_close(read_colour(row, 0.8), WHITE)


def test_grey_with_transparency_and_few_bits_in_16_is_read() -> None:
    values = np.zeros((40, 60, 2), dtype=np.uint16)
    values[:, :30, 0], values[..., 1] = 0x0FFF, 0xFFFF
    assert extract_image(make_deep_png(values)).partial is None


def make_deep_png(values: np.ndarray[Any, np.dtype[np.uint16]]) -> bytes:
    height, width, _ = values.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    kind = 2 if values.shape[2] == 3 else 4
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    chunks = [make_chunk(b"IHDR", header), make_chunk(b"IDAT", zlib.compress(lines)), make_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_12_bits_a_colour_in_16_are_not_black() -> None:
    values = np.zeros((40, 60, 3), dtype=np.uint16)
    values[:, :30, 0], values[:, 30:, 2] = 0x0FFF, 0x0800
    row = extract_image(make_deep_png(values)).rows[0]
    assert_close(read_colour(row, 0.2), RED)
    assert_close(read_colour(row, 0.8), (0, 0, 128))


def ramp(low: int, high: int) -> Image.Image:
    return Image.linear_gradient("L").point(lambda value: low + value * (high - low) // 255).convert("RGB")


def as_png(image: Image.Image, gamma: float, *, srgb: bool = False) -> Image.Image:
    """A file that says how its values are to be brightened."""
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    if srgb:
        info.add(b"sRGB", b"\0")
    content = io.BytesIO()
    image.save(content, "PNG", pnginfo=info)
    return Image.open(content)


def test_values_are_brightened_as_a_png_says() -> None:
    (seen,) = read_colours(as_png(ramp(0, 255), 0.35))
    assert seen.getpixel((0, 128)) == pytest.approx((104, 104, 104), abs=2)  # 255 * (128 / 255) ** (1 / (0.35 * 2.2))


@pytest.mark.parametrize(("gamma", "srgb"), [(0.45455, False), (0.47, False), (0.1, True)])
def test_values_of_a_screen_stay(gamma: float, srgb: bool) -> None:
    picture = ramp(0, 255)
    (seen,) = read_colours(as_png(picture, gamma, srgb=srgb))
    assert seen.tobytes() == picture.tobytes()


def test_a_picture_hidden_in_nearly_white_is_seen_by_its_gamma() -> None:
    """An exponent of 45 makes black of all but the last few values."""
    hidden, *others = read_colours(as_png(ramp(246, 255), 0.01))
    assert np.asarray(hidden).min() == pytest.approx(50, abs=8)
    assert np.asarray(hidden).max() == 255
    assert not others, "the values by themselves are one flat white"


def test_what_other_viewers_show_is_seen_too() -> None:
    seen, raw = read_colours(as_png(ramp(0, 255), 0.1))
    assert np.asarray(seen)[128, 0, 0] < 20
    assert np.asarray(raw)[128, 0, 0] == 128
