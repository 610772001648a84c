"""Pictures that the tests draw, as the files that come in, and how what was read of them is looked at."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sluice.errors import MediaInvalid
from sluice.features import IMAGE_SIZE_PX, ImageRow
from sluice.features.image import extract_image

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


def make_noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 240, 3), dtype=np.uint8))


def make_chunk(name: bytes, content: bytes, error: int = 0) -> bytes:
    checksum = zlib.crc32(name + content) ^ error
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
