import io
import itertools
import struct
import subprocess
import sys
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw, ImageFont, TiffImagePlugin

from sluice.errors import MediaInvalid
from sluice.features import IMAGE_SIZE_PX, ImageRow, heif
from sluice.features.animation import MAX_FRAMES
from sluice.features.image import CUT_SHORT, FORMATS, MAX_PIXELS, MAX_ROWS, extract_image, image_rows
from sluice.features.sniffing import name_of

# Pytest puts aside the filter that the module sets when it is imported.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
WHOLE = (0.0, 0.0, 1.0, 1.0)


def draw(width: int = 60, height: int = 40, left: tuple[int, ...] = RED, right: tuple[int, ...] = BLUE) -> Image.Image:
    """Left half one colour, right half another."""
    image = Image.new("RGB", (width, height), left)
    ImageDraw.Draw(image).rectangle((width // 2, 0, width, height), fill=right)
    return image


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def encode_animation(n_frames: int, kind: str = "GIF", size: tuple[int, int] = (40, 40)) -> bytes:
    frames = [Image.new("RGB", size, (index * 255 // n_frames, 0, 255 - index)) for index in range(n_frames)]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)


def make_png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG that claims a size, whatever it holds."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def read_colour(row: ImageRow, x: float, y: float = 0.5) -> tuple[int, ...]:
    column, line = int(x * IMAGE_SIZE_PX), int(y * IMAGE_SIZE_PX)
    return tuple(int(value) for value in row.pixels[:, line, column])


def assert_close(colour: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 12) -> None:
    assert np.abs(np.subtract(colour, expected)).max() <= tolerance, (colour, expected)


def refuse(content: bytes) -> str:
    with pytest.raises(MediaInvalid) as caught:
        extract_image(content)
    assert len(caught.value.detail) < 100
    return caught.value.reason


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read_upright_in_rgb(kind: str) -> None:
    features = extract_image(encode(draw(), kind))
    (row,) = features.rows
    assert row.pixels.shape == (3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    assert row.pixels.dtype == np.uint8
    assert row.pixels.flags["C_CONTIGUOUS"]
    assert row.box == WHOLE
    assert features.partial is None
    assert_close(read_colour(row, 0.2), RED)
    assert_close(read_colour(row, 0.8), BLUE)


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


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    upright = draw(64, 48)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    row = extract_image(encode(stored, kind, exif=exif)).rows[0]
    assert_close(read_colour(row, 0.2), RED)
    assert_close(read_colour(row, 0.8), BLUE)


def test_boxes_are_relative_to_the_upright_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = draw(400, 100).transpose(Image.Transpose.ROTATE_90)
    boxes = [row.box for row in extract_image(encode(wide, "JPEG", exif=exif)).rows]
    assert boxes == [(0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)]


def test_broken_exif_does_not_cost_the_picture() -> None:
    content = encode(draw(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert_close(read_colour(extract_image(content).rows[0], 0.2), RED)


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


def test_a_large_jpeg_is_decoded_at_a_smaller_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def spy(image: Image.Image, *args: Any, **options: Any) -> Image.Image:
        sizes.append(image.size)
        return resize(image, *args, **options)

    monkeypatch.setattr(Image.Image, "resize", spy)
    row = extract_image(encode(draw(1600, 1200), "JPEG")).rows[0]
    assert sizes == [(400, 300)]
    assert_close(read_colour(row, 0.2), RED)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_is_sampled_evenly(kind: str) -> None:
    features = extract_image(encode_animation(10, kind))
    assert features.partial is None
    reds = [read_colour(row, 0.5)[0] for row in features.rows]
    assert np.abs(np.subtract(reds, [0, 76, 153, 229])).max() <= 12


def test_a_short_animation_is_read_whole() -> None:
    features = extract_image(encode_animation(3))
    assert len(features.rows) == 3
    assert features.partial is None


def test_a_long_animation_of_tiles_stays_under_the_limit_of_rows() -> None:
    features = extract_image(encode_animation(9, size=(160, 20)))
    assert len(features.rows) == 16
    assert features.partial is None


def test_a_large_animation_is_read_as_far_as_its_pixels_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.features.image._MAX_ANIMATION_PIXELS", 40 * 40 * 3)
    features = extract_image(encode_animation(10))
    assert features.partial == "sampled from the first 3 of 10 frames"
    assert [read_colour(row, 0.5)[0] // 25 for row in features.rows] == [0, 1, 2]


def test_a_later_page_is_checked_like_the_first() -> None:
    pages = [Image.new("1", (40, 40)), Image.new("1", (8_001, 8_000))]
    content = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="group4")
    assert refuse(content) == "bomb"


def test_of_a_multi_picture_jpeg_only_the_picture_is_read() -> None:
    content = encode(draw(), "MPO", save_all=True, append_images=[Image.new("RGB", (60, 40))])
    features = extract_image(content)
    assert len(features.rows) == 1
    assert MAX_FRAMES > 1


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"not an image" * 50, b"\x89PNG\r\n\x1a\n"])
def test_other_bytes_are_no_image(content: bytes) -> None:
    assert refuse(content) == "not_image"


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"%PDF-1.7", "PDF"), (b"<svg/>", "SVG"), (b"RIFF\0\0\0\0WAVE", "WAV"), (b"\0\0\0\x18ftypmp42", "MP4")],
)
def test_what_is_not_read_is_named(content: bytes, name: str) -> None:
    with pytest.raises(MediaInvalid) as caught:
        extract_image(content)
    assert (caught.value.reason, caught.value.detail) == ("unsupported", f"{name} is not read")


def test_a_format_that_is_not_on_the_list_is_not_read() -> None:
    assert refuse(encode(draw(), "ICO")) == "unsupported"


def make_noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 240, 3), dtype=np.uint8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_of_a_truncated_image_what_is_there_is_read(kind: str) -> None:
    content = encode(make_noise(), kind)
    features = extract_image(content[: len(content) // 2])
    assert features.partial == CUT_SHORT
    assert len(features.rows) == 1


def test_a_truncated_webp_is_refused() -> None:
    content = encode(make_noise(), "WEBP")
    assert refuse(content[: len(content) // 2]) in {"truncated", "not_image"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_image_of_which_nothing_arrived_is_refused(kind: str) -> None:
    content = encode(draw(1200, 900), kind)
    start = content.index(b"\xff\xda") + 14 if kind == "JPEG" else content.index(b"IDAT") + 6
    assert refuse(content[:start]) == "truncated"


def test_a_jpeg_that_ends_early_by_its_own_word_is_partial() -> None:
    content = encode(make_noise(), "JPEG")
    assert extract_image(content[: len(content) // 2] + b"\xff\xd9").partial == CUT_SHORT


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


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (1, 1)])
def test_a_tracking_dot_is_read(size: tuple[int, int]) -> None:
    features = extract_image(encode(Image.new("RGBA", size, (0, 0, 0, 0))))
    assert features.partial is None
    assert_close(read_colour(features.rows[0], 0.5), WHITE)
    assert refuse(make_png(0, 0)) in {"empty", "not_image"}


@pytest.mark.parametrize("size", [(8_001, 8_000), (100_000, 100_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    assert size[0] * size[1] > MAX_PIXELS
    assert refuse(make_png(*size)) == "bomb"


def test_a_jpeg_larger_than_what_is_decoded_is_read_at_an_eighth() -> None:
    content = encode(Image.new("L", (9_000, 8_000), 77), "JPEG", quality=20)
    assert MAX_PIXELS < 9_000 * 8_000
    assert_close(read_colour(extract_image(content).rows[0], 0.5), (77, 77, 77))


def make_chunk(name: bytes, content: bytes, error: int = 0) -> bytes:
    checksum = zlib.crc32(name + content) ^ error
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


@pytest.mark.parametrize(
    "chunk",
    [
        make_chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(2**24))),
        make_chunk(b"iCCP", b"key\0\0" + zlib.compress(bytes(2**24))),
        make_chunk(b"iCCP", b"key\0\0no zlib"),
        make_chunk(b"gAMA", struct.pack(">I", 45_455), error=1),
        make_chunk(b"tEXt", b"key\0value", error=1),
    ],
)
def test_a_remark_beside_a_png_does_not_cost_the_picture(chunk: bytes) -> None:
    png = encode(draw())
    plain, remarked = extract_image(png).rows[0], extract_image(png[:33] + chunk + png[33:]).rows[0]
    assert np.array_equal(plain.pixels, remarked.pixels)


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n\r\n", bytes(512), b"Content-Type: image/png\r\n\r\n"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_bytes_before_an_image_are_passed_over(before: bytes, kind: str) -> None:
    assert_close(read_colour(extract_image(before + encode(draw(), kind)).rows[0], 0.2), RED)


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


def make_deep_png(values: np.ndarray[Any, np.dtype[np.uint16]]) -> bytes:
    height, width, _ = values.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = [make_chunk(b"IHDR", header), make_chunk(b"IDAT", zlib.compress(lines)), make_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_12_bits_a_colour_in_16_are_not_black() -> None:
    values = np.zeros((40, 60, 3), dtype=np.uint16)
    values[:, :30, 0], values[:, 30:, 2] = 0x0FFF, 0x0800
    row = extract_image(make_deep_png(values)).rows[0]
    assert_close(read_colour(row, 0.2), RED)
    assert_close(read_colour(row, 0.8), (0, 0, 128))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_frame_that_is_shown_longest_is_looked_at(kind: str) -> None:
    frames = [Image.new("RGB", (40, 40), (0, 99, index)) for index in range(30)]
    frames[7] = draw(40, 40)
    durations = [20] * 7 + [9000] + [20] * 22
    content = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=durations)
    features = extract_image(content)
    assert features.partial is None
    assert any(np.abs(np.subtract(read_colour(row, 0.2), RED)).max() < 30 for row in features.rows)


def test_a_scene_that_flashes_by_is_looked_at() -> None:
    frames = [Image.new("RGB", (40, 40), (0, 99, index)) for index in range(40)]
    frames[20] = draw(40, 40)
    rows = extract_image(encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)).rows
    assert any(np.abs(np.subtract(read_colour(row, 0.2), RED)).max() < 30 for row in rows)


def test_more_scenes_than_are_read_are_counted() -> None:
    colours = [(x, y, z) for x in (0, 128, 255) for y in (0, 128, 255) for z in (0, 255)]
    frames = [Image.new("RGB", (40, 40), colour) for colour in colours]
    content = encode(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)
    assert extract_image(content).partial == "16 of 18 scenes read"


def test_of_a_cut_animation_the_frames_before_are_read() -> None:
    rng = np.random.default_rng(1)
    frames = [Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)) for _ in range(4)]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    partial = extract_image(content[: int(len(content) * 0.6)]).partial
    assert partial is not None
    assert partial.startswith("sampled from the first")


def test_thousands_of_pages_are_not_counted() -> None:
    page = Image.new("1", (8, 8))
    content = encode(page, "TIFF", save_all=True, append_images=[page] * 1200)
    assert extract_image(content).partial == "sampled from the first 1000 of more than 1000 frames"


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


def test_heic_is_read() -> None:
    pi_heif = pytest.importorskip("pi_heif")
    assert pi_heif.libheif_version()
    assert "HEIC" in (name_of(b"\0\0\0\x18ftypheic") or "")
    assert refuse(b"\0\0\0\x18ftypheic" + bytes(99)) == "not_image"


def test_without_the_extra_heic_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    heif.register.cache_clear()
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(MediaInvalid, match=r"HEIC is not read: this worker lacks the extra \[media\]"):
        extract_image(b"\0\0\0\x18ftypheic" + bytes(99))


def test_pillow_is_left_as_it_was() -> None:
    script = (
        "import warnings; from PIL import Image; before = Image.MAX_IMAGE_PIXELS\n"
        "import io, sluice.features.image as subject\n"
        "assert Image.MAX_IMAGE_PIXELS == before\n"
        "exif = b'Exif\\0\\0II*\\0\\x08\\0\\0\\0\\x01\\0\\x12\\x01\\x03\\0\\xff\\0\\0\\0\\x99\\0\\0\\0'\n"
        "file = io.BytesIO(); Image.new('RGB', (9, 9)).save(file, 'JPEG', exif=exif)\n"
        "subject.extract_image(file.getvalue())"
    )
    done = subprocess.run([sys.executable, "-W", "always", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_pixels_that_cannot_be_converted_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(image: Image.Image, mode: str) -> Image.Image:
        raise AssertionError("what Pillow does to a palette image that lost its palette")

    content = encode(draw().convert("L"))
    monkeypatch.setattr(Image.Image, "convert", fail)
    assert refuse(content) == "truncated"


def make_seeds() -> list[bytes]:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = "drawn"
    small = draw(24, 16)
    return [
        encode(small, "JPEG", exif=Image.Exif()), encode(small), encode(small.quantize(8), "PNG"),
        encode_animation(3), encode_animation(3, "WEBP"), encode_animation(3, "PNG", (12, 12)), encode(small, "BMP"),
        encode(small, "TIFF", compression="tiff_lzw", tiffinfo=tags), encode(small, "TIFF", compression="jpeg"),
        encode_animation(2, "TIFF"), encode(small, "WEBP", lossless=True),
    ]  # fmt: skip


SEEDS = make_seeds()


def extract_or_explain(content: bytes) -> str | tuple[ImageRow, ...]:
    try:
        return extract_image(content).rows
    except MediaInvalid as error:
        return error.reason


def check_rows_or_reason(content: bytes) -> None:
    found = extract_or_explain(content)
    if isinstance(found, str):
        assert found in {"not_image", "empty", "bomb", "truncated", "unsupported"}
    else:
        assert 1 <= len(found) <= MAX_ROWS
        assert all(row.pixels.shape == (3, IMAGE_SIZE_PX, IMAGE_SIZE_PX) for row in found)


@given(st.binary(max_size=400))
def test_any_bytes_are_rows_or_refused(content: bytes) -> None:
    check_rows_or_reason(content)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    cut=st.floats(0.3, 1.0),
)
def test_any_damaged_image_is_rows_or_refused(seed: bytes, edits: list[tuple[float, int]], cut: float) -> None:
    content = bytearray(seed)
    for place, value in edits:
        content[int(place * len(content))] = value
    check_rows_or_reason(bytes(content[: int(cut * len(content))]))
