import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sluice.errors import MediaInvalid
from sluice.features import IMAGE_SIZE_PX
from sluice.features.image import FORMATS, MAX_PIXELS, extract_image
from sluice.features.webp import CUT_SHORT
from tests.engine.features.pictures import (
    BLUE,
    RED,
    WHITE,
    WHOLE,
    assert_close,
    draw,
    encode,
    make_noise,
    make_png,
    read_colour,
    refuse,
)

# Pytest puts aside the filter that the module sets when it is imported.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_of_a_truncated_image_what_is_there_is_read(kind: str) -> None:
    content = encode(make_noise(), kind)
    features = extract_image(content[: len(content) // 2])
    assert features.partial == CUT_SHORT
    assert len(features.rows) == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_image_of_which_nothing_arrived_is_refused(kind: str) -> None:
    content = encode(draw(1200, 900), kind)
    start = content.index(b"\xff\xda") + 14 if kind == "JPEG" else content.index(b"IDAT") + 6
    assert refuse(content[:start]) == "truncated"


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


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n\r\n", bytes(512), b"Content-Type: image/png\r\n\r\n"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_bytes_before_an_image_are_passed_over(before: bytes, kind: str) -> None:
    assert_close(read_colour(extract_image(before + encode(draw(), kind)).rows[0], 0.2), RED)


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
