"""Drawn flames, and harmless things that are as bright or as orange."""

from __future__ import annotations

import math
import random

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

_SIDE_PX = 200
_HEAT = ((0.0, (60, 5, 0)), (0.35, (200, 35, 5)), (0.6, (250, 120, 10)), (0.8, (255, 200, 60)), (1.0, (255, 245, 170)))
"""Colours of a flame from its rim to its core."""


def draw_flames(rng: random.Random) -> Image.Image:
    """A transparent layer with a fire: tongues as a cartoon has them, or smoky noise that is hottest below."""
    return _tongues(rng) if rng.random() < 0.35 else _blaze(rng)


def _blaze(rng: random.Random) -> Image.Image:
    seeds = np.random.default_rng(rng.getrandbits(32))
    noise = sum(_octave(seeds, n) * weight for n, weight in ((4, 0.5), (9, 0.3), (24, 0.2)))
    down, across = np.linspace(0, 1, _SIDE_PX)[:, None], np.linspace(-1, 1, _SIDE_PX)[None]
    width = rng.uniform(0.5, 1.0)
    envelope = down ** rng.uniform(0.5, 1.1) * np.clip(1.15 - (np.abs(across) / width) ** 2, 0, 1)
    heat = np.clip((noise * 1.3 + 0.45) * envelope * rng.uniform(1.3, 1.9) - 0.45, 0, 1)
    heat[-8:] *= np.linspace(1, 0.3, 8)[:, None]
    stops = [stop for stop, _ in _HEAT]
    colours = [np.interp(heat, stops, [colour[index] for _, colour in _HEAT]) for index in range(3)]
    opacity = np.clip(heat * rng.uniform(3, 8), 0, 1) * 255
    return Image.fromarray(np.stack([*colours, opacity], axis=-1).astype(np.uint8))


def _octave(seeds: np.random.Generator, n_cells: int) -> npt.NDArray[np.float64]:
    """Smooth noise in [0, 1], longer upwards than across."""
    coarse = (seeds.random((max(2, n_cells // 2), n_cells)) * 255).astype(np.uint8)
    smooth = Image.fromarray(coarse).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BICUBIC)
    return np.asarray(smooth, np.float64) / 255


def _tongues(rng: random.Random) -> Image.Image:
    layer = Image.new("RGBA", (_SIDE_PX, _SIDE_PX), (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    n_tips = rng.randint(2, 5)
    tips = [rng.uniform(0.5, 1.0) for _ in range(n_tips)]
    for share, colour in ((1.0, (215, 50, 10)), (0.75, (250, 130, 15)), (0.45, (255, 215, 70))):
        pen.polygon(_tongue_points(tips, share), fill=(*colour, 255))
    return layer.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 4)))


def _tongue_points(tips: list[float], share: float) -> list[tuple[float, float]]:
    """From the left below over every tip and the dips between them to the right below."""
    bottom, half = _SIDE_PX * 0.95, _SIDE_PX * 0.45 * share
    step = 2 * half / len(tips)
    points = [(_SIDE_PX / 2 - half * 0.7, bottom)]
    for index, tip in enumerate(tips):
        left = _SIDE_PX / 2 - half + index * step
        points += [(left, bottom * 0.6), (left + step * 0.2, bottom * (1 - 0.5 * tip * share))]
        points += [(left + step * 0.55, bottom * (1 - tip * share * 0.98)), (left + step * 0.85, bottom * 0.55)]
    return [*points, (_SIDE_PX / 2 + half, bottom * 0.65), (_SIDE_PX / 2 + half * 0.7, bottom)]


def draw_sunset(rng: random.Random, side: int) -> Image.Image:
    """A red and yellow sky with a sun over dark hills or the sea."""
    top, low = (
        np.array((rng.randint(40, 160), rng.randint(30, 90), rng.randint(50, 140))),
        np.array((250, 150, 50)),
    )
    ramp = np.linspace(0, 1, side)[:, None, None] * np.ones((1, side, 1))
    sky = Image.fromarray((top + (low - top) * ramp).astype(np.uint8))
    pen = ImageDraw.Draw(sky)
    x, y, radius = rng.randint(20, side - 20), rng.randint(side // 3, side * 3 // 4), rng.randint(8, 30)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, rng.randint(200, 245), 120))
    hills = [(index * side // 8, rng.randint(side * 2 // 3, side * 9 // 10)) for index in range(9)]
    pen.polygon([(0, side), *hills, (side, side)], fill=(rng.randint(0, 50), rng.randint(0, 45), 40))
    return sky.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2)))


def draw_leaves(rng: random.Random, side: int) -> Image.Image:
    """Autumn: yellow, orange and red leaves."""
    picture = Image.new("RGB", (side, side), (rng.randint(40, 140), rng.randint(40, 110), 30))
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.randint(40, 160)):
        x, y, size, turn = (
            rng.uniform(0, side),
            rng.uniform(0, side),
            rng.uniform(5, 18),
            rng.uniform(0, 6.3),
        )
        fill = (rng.randint(150, 255), rng.randint(50, 190), rng.randint(0, 50))
        corners = ((0, 1.6), (1.57, 0.6), (3.14, 1.6), (4.71, 0.6))
        pen.polygon(
            [(x + size * r * math.cos(turn + a), y + size * r * math.sin(turn + a)) for a, r in corners], fill=fill
        )
    return picture


def draw_fireworks(rng: random.Random, side: int) -> Image.Image:
    """Coloured stars of lines on a night sky."""
    picture = Image.new("RGB", (side, side), (rng.randint(0, 25), rng.randint(0, 25), rng.randint(5, 50)))
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.randint(1, 4)):
        x, y, reach = rng.randint(30, side - 30), rng.randint(30, side - 60), rng.randint(15, 60)
        fill = (rng.randint(120, 255), rng.randint(60, 255), rng.randint(60, 255))
        for ray in range(24):
            angle, start = ray * math.tau / 24, rng.uniform(0.2, 0.5)
            ends = [(x + reach * r * math.cos(angle), y + reach * r * math.sin(angle)) for r in (start, 1.0)]
            pen.line(ends, fill=fill, width=2)
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1)))


def draw_lamps(rng: random.Random, side: int) -> Image.Image:
    """Warm lights in the dark, with their glow."""
    glow = Image.new("RGB", (side, side), (rng.randint(0, 30), rng.randint(0, 25), rng.randint(0, 30)))
    places = [(rng.randint(0, side), rng.randint(0, side), rng.randint(4, 14)) for _ in range(rng.randint(2, 9))]
    for x, y, radius in places:
        ImageDraw.Draw(glow).ellipse(
            (x - 3 * radius, y - 3 * radius, x + 3 * radius, y + 3 * radius), fill=(140, 90, 30)
        )
    glow = glow.filter(ImageFilter.GaussianBlur(14))
    for x, y, radius in places:
        ImageDraw.Draw(glow).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 235, 180))
    return glow
