"""Pictures drawn by program: harmless rows that the bundle's photographs lack, and scenes with a weapon or a fire.

Where the harm is in a scene is known, which no photograph of the bundle says.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from sluice.features import IMAGE_SIZE_PX
from sluice.features.image import image_rows
from tests.models.scenes.flames import draw_fireworks, draw_flames, draw_lamps, draw_leaves, draw_sunset
from tests.models.scenes.shapes import HARMLESS, WEAPONS, Box, Colour, draw_outline, lay

SIDE_PX = 240
N_SCENES = 6000
ROW_SHAPE = (3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
WORDS = ("hello", "menu", "sale", "open", "total 12.50", "meeting 10:00", "你好", "score 3:1", "page 2", "thank you")
Sketch = Callable[[random.Random, ImageDraw.ImageDraw], None]


def draw_pictures(n_pictures: int, seed: int) -> npt.NDArray[np.uint8]:
    """Drawn pictures as rows of pixels, shape = (n_pictures, 3, 160, 160); the same seed draws the same."""
    rng = random.Random(seed)
    return np.stack([image_rows(_draw(rng))[0].pixels for _ in range(n_pictures)])


def draw_scenes(n_scenes: int, seed: int = 3) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Scenes with a weapon and with a fire by turns.

    Returns
    -------
    pixels : ndarray, shape = (n_scenes, 3, 160, 160)
    boxes : ndarray, shape = (n_scenes, 4)
        Left, top, right, bottom of the harm as shares of the image.
    """
    rng = random.Random(seed)
    scenes = [_scene(rng, index % 2 == 1) for index in range(n_scenes)]
    pixels = [image_rows(picture)[0].pixels for picture, _ in scenes]
    boxes = np.array([box for _, box in scenes], np.float32).reshape(-1, 4)
    return np.array(pixels, np.uint8).reshape(-1, *ROW_SHAPE), boxes


def _scene(rng: random.Random, with_fire: bool) -> tuple[Image.Image, Box]:
    """A third on white, as product shots are."""
    if rng.random() < 0.67:
        return (draw_fire_scene if with_fire else draw_weapon_scene)(rng)
    picture = Image.new("RGB", (SIDE_PX, SIDE_PX), (255, 255, 255))
    return picture, _add_fire(rng, picture) if with_fire else draw_outline(rng, picture, WEAPONS)


def draw_weapon_scene(rng: random.Random) -> tuple[Image.Image, Box]:
    """A drawn gun or knife somewhere on a coloured background with harmless things, and where it is."""
    picture = _backdrop(rng)
    return picture, draw_outline(rng, picture, WEAPONS)


def draw_fire_scene(rng: random.Random) -> tuple[Image.Image, Box]:
    """A drawn fire somewhere on a coloured background, often a dark one, and where it is."""
    picture = _backdrop(rng)
    if rng.random() < 0.5:
        picture = Image.blend(picture, Image.new("RGB", picture.size), rng.uniform(0.4, 0.8))
    return picture, _add_fire(rng, picture)


def _add_fire(rng: random.Random, picture: Image.Image) -> Box:
    return lay(rng, picture, draw_flames(rng), (0.3, 0.8))


def _backdrop(rng: random.Random) -> Image.Image:
    return _sketch_all(rng, rng.choice((_gradient, _noise))(rng))


def _draw(rng: random.Random) -> Image.Image:
    if rng.random() < 0.25:
        return rng.choice((draw_sunset, draw_leaves, draw_fireworks, draw_lamps))(rng, SIDE_PX)
    picture = _sketch_all(rng, rng.choice((_plain, _gradient, _noise))(rng))
    for _ in range(rng.choice((0, 1, 1, 2))):
        draw_outline(rng, picture, HARMLESS)
    return picture


def _sketch_all(rng: random.Random, picture: Image.Image) -> Image.Image:
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.randint(0, 3)):
        rng.choice(SKETCHES)(rng, pen)
    return picture


def _plain(rng: random.Random) -> Image.Image:
    return Image.new("RGB", (SIDE_PX, SIDE_PX), rng.choice(((255, 255, 255), (0, 0, 0), _colour(rng))))


def _gradient(rng: random.Random) -> Image.Image:
    first, second = np.array(_colour(rng)), np.array(_colour(rng))
    ramp = np.linspace(0, 1, SIDE_PX)[:, None] * np.ones((1, SIDE_PX))
    ramp = ramp if rng.random() < 0.5 else ramp.T
    pixels = first + (second - first) * ramp[..., None]
    return Image.fromarray(pixels.astype(np.uint8))


def _noise(rng: random.Random) -> Image.Image:
    coarse = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (rng.choice((6, 20, 240)),) * 2 + (3,))
    smooth = rng.choice((Image.Resampling.NEAREST, Image.Resampling.BICUBIC))
    return Image.fromarray(coarse.astype(np.uint8)).resize((SIDE_PX, SIDE_PX), smooth)


def _shapes(rng: random.Random, pen: ImageDraw.ImageDraw) -> None:
    for _ in range(rng.randint(1, 6)):
        shape = rng.choice((pen.ellipse, pen.rectangle))
        shape(_box(rng), fill=_colour(rng), outline=_colour(rng), width=rng.randint(0, 6))


def _polygons(rng: random.Random, pen: ImageDraw.ImageDraw) -> None:
    for _ in range(rng.randint(1, 4)):
        pen.polygon([_point(rng) for _ in range(rng.randint(3, 7))], fill=_colour(rng))


def _lines(rng: random.Random, pen: ImageDraw.ImageDraw) -> None:
    for _ in range(rng.randint(2, 12)):
        pen.line([_point(rng), _point(rng)], fill=_colour(rng), width=rng.randint(1, 9))


def _writing(rng: random.Random, pen: ImageDraw.ImageDraw) -> None:
    ink = _colour(rng)
    for line in range(rng.randint(1, 10)):
        pen.text((rng.randint(5, 90), 10 + 22 * line), rng.choice(WORDS[:6]), fill=ink, font_size=16)


def _bars(rng: random.Random, pen: ImageDraw.ImageDraw) -> None:
    width = rng.randint(10, 30)
    for left in range(15, SIDE_PX - width, width + 8):
        pen.rectangle((left, rng.randint(30, 200), left + width, 225), fill=_colour(rng))


def _house(rng: random.Random, pen: ImageDraw.ImageDraw) -> None:
    left, top, side = rng.randint(20, 100), rng.randint(100, 140), rng.randint(60, 90)
    pen.rectangle((left, top, left + side, top + side), fill=_colour(rng))
    pen.polygon([(left - 10, top), (left + side + 10, top), (left + side // 2, top - 50)], fill=_colour(rng))
    _sun(rng, pen)


def _sun(rng: random.Random, pen: ImageDraw.ImageDraw) -> None:
    x, y, radius = rng.randint(30, 210), rng.randint(25, 110), rng.randint(12, 40)
    fill = (255, rng.randint(140, 240), rng.randint(0, 90))
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    for ray in range(rng.choice((0, 8, 12))):
        angle, reach = ray * math.pi / 6, radius * 1.7
        pen.line([(x, y), (x + reach * math.cos(angle), y + reach * math.sin(angle))], fill=fill, width=3)


def _face(rng: random.Random, pen: ImageDraw.ImageDraw) -> None:
    x, y, radius = rng.randint(70, 170), rng.randint(70, 170), rng.randint(35, 65)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(rng), outline=(0, 0, 0), width=3)
    for side in (-1, 1):
        eye = x + side * radius // 3
        pen.ellipse((eye - 6, y - 18, eye + 6, y - 6), fill=(0, 0, 0))
    pen.arc((x - radius // 2, y - 10, x + radius // 2, y + radius // 2), 0, 180, fill=(0, 0, 0), width=4)


def _curve(rng: random.Random, pen: ImageDraw.ImageDraw) -> None:
    height, turns, phase = rng.randint(10, 90), rng.uniform(0.5, 6), rng.uniform(0, 6)
    points = [(x, 120 + height * math.sin(phase + turns * x * math.tau / SIDE_PX)) for x in range(0, SIDE_PX, 4)]
    pen.line(points, fill=_colour(rng), width=rng.randint(1, 8))


SKETCHES: tuple[Sketch, ...] = (_shapes, _polygons, _lines, _writing, _bars, _house, _sun, _face, _curve)


def _colour(rng: random.Random) -> Colour:
    return (rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255))


def _point(rng: random.Random) -> tuple[int, int]:
    return (rng.randint(0, SIDE_PX), rng.randint(0, SIDE_PX))


def _box(rng: random.Random) -> tuple[int, int, int, int]:
    left, top = rng.randint(0, 180), rng.randint(0, 180)
    return (left, top, left + rng.randint(8, 150), top + rng.randint(8, 150))
