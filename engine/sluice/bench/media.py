"""Pictures that are drawn and sounds that are synthesised. A file's name says all of what is in it."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from PIL import Image, ImageDraw

SIZES = ((640, 480), (1080, 1080), (1200, 900), (1600, 1200))
"""Of pictures, in pixels: a megapixel is usual."""
CLIP_LENGTHS_S = (4, 10, 10, 20)
SAMPLE_RATE_HZ = 44_100
_QUALITY = {"": 85, "again": 60}
_NAME = re.compile(r"(?P<kind>picture|clip)-(?P<seed>\d+)-(?P<number>\d+)(-(?P<again>again))?\.\w+")


def name_picture(seed: int, number: int, again: bool = False) -> str:
    """Name of a picture's file; `again` is the same picture compressed once more."""
    return f"picture-{seed}-{number}{'-again' if again else ''}.jpg"


def name_clip(seed: int, number: int) -> str:
    """Name of a clip's file."""
    return f"clip-{seed}-{number}.ogg"


def write_media(folder: Path, names: Iterable[str], n_processes: int) -> Iterable[str]:
    """Make the files that are missing; yields the name of each when it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in dict.fromkeys(names) if not (folder / name).exists()]
    if not missing:
        return
    with ProcessPoolExecutor(n_processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(partial(write_one, folder), missing, chunksize=8)


def write_one(folder: Path, name: str) -> str:
    """Make one file, whole or not at all; raises `ValueError` for a name that is none of ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name} is no name of a picture or a clip")
    rng = random.Random(f"{found['kind']}-{found['seed']}-{found['number']}")  # noqa: S311  (reproducible, not secret)
    made = draw_picture(rng, _QUALITY[found["again"] or ""]) if found["kind"] == "picture" else make_clip(rng)
    new = folder / f"{name}.new"
    new.write_bytes(made)
    new.replace(folder / name)
    return name


def draw_picture(rng: random.Random, quality: int) -> bytes:
    """A JPEG: soft colours with some shapes on them, about as large as a photograph."""
    return encode_jpeg(draw_scene(rng, rng.choice(SIZES)), quality)


def draw_scene(rng: random.Random, size: tuple[int, int]) -> Image.Image:
    """Something smooth with edges."""
    grid = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (size[1] // 24, size[0] // 24, 3), np.uint8)
    picture = Image.fromarray(grid).resize(size, Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.randrange(3, 9)):
        left, top = rng.randrange(size[0] - 80), rng.randrange(size[1] - 80)
        box = (left, top, left + rng.randrange(40, 400), top + rng.randrange(40, 400))
        draw = rng.choice((pen.ellipse, pen.rectangle))
        draw(box, fill=(rng.randrange(256), rng.randrange(256), rng.randrange(256)))
    return picture


def encode_jpeg(picture: Image.Image, quality: int = 85) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def make_clip(rng: random.Random) -> bytes:
    """A clip of some seconds: tones that come and go over a little noise, Ogg Vorbis, one channel."""
    return encode_clip(rng, rng.choice(CLIP_LENGTHS_S))


def encode_clip(rng: random.Random, length_s: int) -> bytes:
    """The same with a given length; written in short pieces, since libsndfile's encoder dies of long ones."""
    file = io.BytesIO()
    noise = np.random.default_rng(rng.randrange(2**32))
    with soundfile.SoundFile(file, "w", SAMPLE_RATE_HZ, 1, format="OGG") as clip:
        for _ in range(length_s):
            clip.write(_second(rng, noise))
    return file.getvalue()


def _second(rng: random.Random, noise: np.random.Generator) -> npt.NDArray[np.float32]:
    t = np.arange(SAMPLE_RATE_HZ, dtype=np.float32) / SAMPLE_RATE_HZ
    tone = np.sin(2 * np.pi * rng.uniform(110, 1760) * t) * np.linspace(1.0, 0.2, SAMPLE_RATE_HZ)
    return np.asarray(0.2 * tone + 0.02 * noise.standard_normal(SAMPLE_RATE_HZ), np.float32)
