"""Files that are hard on a decoder."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def draw() -> bytes:
    """A small picture."""
    return encode(Image.linear_gradient("L"))


def make_slow_png(width: int = 8_000, height: int = 8_000) -> bytes:
    """Interlaced and of 64 megapixels with transparency: seconds of work in a few hundred kilobytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 1)
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(bytes(2**24)) for _ in range(width * height * 4 // 2**24 + 2)) + packer.flush()
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def make_scans(n_scans: int = 300, side: int = 2_000) -> bytes:
    """A progressive JPEG whose last scan is said again and again."""
    content = encode(Image.effect_noise((side, side), 50), "JPEG", progressive=True, quality=5)
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * n_scans + b"\xff\xd9"


def make_pages(n_pages: int = 60_000) -> bytes:
    """A TIFF of many pages, all of them the same few bytes."""
    tags = [
        (256, 4, 1, 1),
        (257, 4, 1, 1),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (279, 4, 1, 1),
    ]
    size = 2 + 12 * len(tags) + 4
    pages = bytearray(b"II*\0" + struct.pack("<I", 12) + b"\x80\0\0\0")
    for index in range(n_pages):
        following = 12 + (index + 1) * size if index + 1 < n_pages else 0
        pages += struct.pack("<H", len(tags))
        pages += b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", following)
    return bytes(pages)
