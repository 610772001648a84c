"""Outlines of weapons, and of harmless objects that look a little like them, drawn in any place, size and turn.

An outline is a list of parts; a part is a shade and a polygon with x and y in thousandths of the outline's width.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Part = tuple[str, Sequence[tuple[int, int]]]
Outline = Sequence[Part]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the image."""
_WIDTH_PX, _MARGIN_PX = 200, 110


def _bar(shade: str, left: int, top: int, right: int, bottom: int) -> Part:
    return (shade, ((left, top), (right, top), (right, bottom), (left, bottom)))


_GUARD = (
    "line",
    ((520, 330), (530, 430), (470, 470), (390, 450), (385, 410), (460, 440), (505, 415), (500, 330)),
)
WEAPONS: dict[str, Outline] = {
    "pistol": (
        ("body", ((20, 90), (960, 90), (1000, 130), (1000, 260), (960, 280), (60, 280), (0, 230))),
        ("body", ((60, 270), (720, 270), (720, 330), (410, 340), (360, 400), (300, 760), (40, 760), (130, 380))),
        _GUARD,
        _bar("light", 430, 110, 600, 170),
        ("dark", ((60, 100), (70, 100), (70, 250), (60, 250))),
        ("dark", ((100, 100), (110, 100), (110, 250), (100, 250))),
        ("dark", ((140, 100), (150, 100), (150, 250), (140, 250))),
    ),
    "revolver": (
        _bar("body", 430, 130, 1000, 210),
        _bar("body", 480, 215, 860, 250),
        ("body", ((950, 90), (985, 90), (985, 130), (920, 130))),
        ("body", ((180, 120), (460, 110), (460, 330), (280, 350), (180, 280))),
        ("light", ((270, 130), (430, 130), (450, 170), (450, 270), (430, 310), (270, 310), (250, 270), (250, 170))),
        ("wood", ((170, 220), (290, 340), (230, 520), (220, 680), (20, 720), (10, 640), (90, 480), (130, 280))),
        ("body", ((120, 60), (170, 80), (230, 150), (180, 200))),
        _GUARD,
    ),
    "rifle": (
        ("wood", ((0, 130), (270, 90), (290, 160), (20, 290))),
        ("body", ((260, 80), (620, 80), (620, 170), (260, 170))),
        ("wood", ((280, 160), (350, 160), (310, 290), (250, 280))),
        ("dark", ((430, 165), (520, 165), (570, 330), (640, 400), (560, 430), (480, 350), (450, 260))),
        ("wood", ((610, 85), (770, 90), (770, 150), (610, 160))),
        _bar("body", 760, 100, 1000, 125),
        ("body", ((930, 40), (950, 40), (960, 110), (920, 110))),
        _bar("dark", 540, 55, 610, 85),
    ),
    "carbine": (
        ("dark", ((0, 90), (200, 100), (200, 160), (60, 190), (0, 240))),
        _bar("body", 190, 110, 300, 140),
        _bar("body", 290, 80, 560, 170),
        ("dark", ((310, 165), (370, 165), (330, 300), (265, 290))),
        ("body", ((440, 165), (520, 165), (530, 330), (450, 340))),
        _bar("dark", 555, 90, 790, 155),
        _bar("body", 785, 110, 1000, 130),
        _bar("light", 330, 30, 540, 62),
        _bar("dark", 400, 55, 430, 85),
    ),
    "shotgun": (
        ("wood", ((0, 130), (250, 80), (330, 90), (320, 130), (230, 150), (20, 240))),
        _bar("body", 300, 75, 480, 130),
        _bar("body", 470, 78, 1000, 100),
        _bar("dark", 470, 104, 880, 120),
        _bar("wood", 560, 98, 740, 135),
    ),
    "submachine gun": (
        _bar("body", 150, 60, 760, 210),
        _bar("dark", 750, 95, 1000, 135),
        ("body", ((300, 200), (420, 200), (390, 480), (270, 480))),
        ("dark", ((560, 200), (650, 200), (680, 560), (590, 570))),
        ("line", ((150, 80), (0, 80), (0, 300), (25, 300), (25, 105), (150, 105))),
    ),
    "knife": (
        ("light", ((380, 40), (900, 40), (960, 70), (1000, 125), (900, 150), (380, 160))),
        ("dark", ((355, 15), (385, 15), (385, 185), (355, 185))),
        ("wood", ((20, 50), (355, 50), (355, 150), (20, 160), (0, 105))),
    ),
    "dagger": (
        ("light", ((330, 70), (860, 75), (1000, 110), (860, 145), (330, 150))),
        ("body", ((330, 105), (960, 108), (960, 113), (330, 115))),
        ("dark", ((300, 0), (330, 0), (330, 220), (300, 220))),
        ("wood", ((40, 75), (300, 80), (300, 140), (40, 145), (0, 110))),
    ),
}
HARMLESS: dict[str, Outline] = {
    "hair dryer": (
        ("bright", ((120, 100), (400, 60), (620, 90), (620, 330), (400, 370), (120, 330), (60, 210))),
        ("dark", ((615, 130), (860, 110), (860, 310), (615, 290))),
        ("bright", ((260, 350), (420, 350), (460, 800), (320, 800))),
        ("line", ((370, 790), (400, 790), (420, 960), (360, 1000), (350, 960), (390, 930))),
    ),
    "drill": (
        ("bright", ((60, 90), (620, 90), (660, 140), (660, 280), (60, 280), (20, 190))),
        ("dark", ((655, 130), (800, 160), (800, 240), (655, 270))),
        _bar("light", 795, 188, 1000, 206),
        ("bright", ((220, 270), (400, 270), (370, 640), (230, 640))),
        _bar("dark", 150, 630, 480, 780),
    ),
    "umbrella": (
        ("bright", ((0, 330), (60, 170), (250, 40), (500, 0), (750, 40), (940, 170), (1000, 330), (500, 280))),
        _bar("dark", 485, 290, 515, 860),
        ("line", ((485, 850), (515, 850), (530, 930), (590, 930), (610, 860), (640, 860), (610, 960), (510, 960))),
    ),
    "bottle": (
        ("bright", ((0, 80), (620, 60), (760, 130), (1000, 130), (1000, 230), (760, 230), (620, 300), (0, 280))),
        _bar("light", 160, 75, 470, 290),
        _bar("dark", 940, 115, 1000, 245),
    ),
    "candle holder": (
        _bar("light", 440, 0, 560, 520),
        ("body", ((300, 510), (700, 510), (640, 600), (540, 620), (540, 860), (460, 860), (460, 620), (360, 600))),
        ("body", ((200, 850), (800, 850), (860, 940), (140, 940))),
    ),
    "spanner": (
        _bar("light", 160, 90, 850, 160),
        ("light", ((840, 60), (960, 30), (1000, 70), (920, 90), (920, 160), (1000, 180), (960, 230), (840, 190))),
        ("light", ((0, 70), (90, 40), (180, 80), (180, 170), (90, 210), (0, 180), (80, 150), (80, 100))),
    ),
    "hammer": (
        _bar("wood", 0, 150, 820, 210),
        ("dark", ((800, 20), (900, 20), (910, 340), (790, 340))),
    ),
    "spoon": (
        _bar("light", 0, 110, 700, 140),
        ("light", ((690, 110), (780, 50), (900, 50), (1000, 125), (900, 200), (780, 200), (690, 140))),
    ),
    "pen": (
        _bar("bright", 0, 80, 800, 140),
        ("dark", ((800, 80), (960, 105), (1000, 110), (960, 115), (800, 140))),
        _bar("light", 60, 60, 330, 80),
    ),
    "camera": (
        _bar("dark", 0, 150, 1000, 700),
        ("light", ((350, 280), (500, 220), (650, 280), (710, 430), (650, 580), (500, 640), (350, 580), (290, 430))),
        _bar("body", 120, 80, 330, 150),
    ),
    "traffic light": (
        _bar("dark", 300, 0, 700, 900),
        ("red", ((420, 60), (580, 60), (640, 160), (580, 270), (420, 270), (360, 160))),
        ("amber", ((420, 340), (580, 340), (640, 440), (580, 550), (420, 550), (360, 440))),
        ("green", ((420, 620), (580, 620), (640, 720), (580, 830), (420, 830), (360, 720))),
    ),
    "orange": (
        ("amber", ((500, 0), (800, 100), (1000, 400), (900, 750), (500, 950), (100, 750), (0, 400), (200, 100))),
    ),
}  # fmt: skip
_SIGNALS: dict[str, Colour] = {"red": (225, 45, 30), "amber": (245, 150, 20), "green": (40, 190, 90)}


def draw_outline(rng: random.Random, picture: Image.Image, outlines: dict[str, Outline]) -> Box:
    """Draw one of the outlines on a picture, wholly inside, and say where."""
    layer = _paint(rng, outlines[rng.choice(sorted(outlines))])
    layer = layer.rotate(rng.choice((rng.gauss(0, 15), rng.uniform(0, 360))), Image.Resampling.BILINEAR)
    return lay(rng, picture, layer)


def lay(rng: random.Random, picture: Image.Image, layer: Image.Image, sizes: tuple[float, float] = (0.3, 0.9)) -> Box:
    """Lay what a transparent layer shows somewhere on a picture, its longer side in `sizes`, and say where."""
    shown = layer.crop(layer.getchannel("A").point(lambda opacity: 255 * (opacity > 40)).getbbox())
    longest = rng.uniform(*sizes) * min(picture.size)
    width, height = (max(4, round(side * longest / max(shown.size))) for side in shown.size)
    left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
    small = shown.resize((width, height), Image.Resampling.LANCZOS)
    picture.paste(small, (left, top), small)
    across, down = picture.size
    return (left / across, top / down, (left + width) / across, (top + height) / down)


def _paint(rng: random.Random, outline: Outline) -> Image.Image:
    side = _WIDTH_PX + 2 * _MARGIN_PX
    layer = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    colours, outlined = _choose_colours(rng), rng.random() < 0.12
    stretch = rng.uniform(0.85, 1.15)
    for shade, points in outline:
        place = [(_MARGIN_PX + x * _WIDTH_PX / 1000, _MARGIN_PX + y * stretch * _WIDTH_PX / 1000) for x, y in points]
        ink = colours.get(shade, colours["dark"])
        pen.polygon(place, fill=None if outlined else (*ink, 255), outline=(*colours["edge"], 255), width=2)
    layer = layer if outlined else _shine(rng, layer)
    return layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else layer


def _choose_colours(rng: random.Random) -> dict[str, Colour]:
    """A silhouette of one colour, metal and wood, or a drawing's bright ones."""
    style = rng.random()
    base = rng.randint(5, 110)
    tint = tuple(base + rng.randint(0, 20) for _ in range(3))
    vivid = tuple(rng.randint(0, 255) for _ in range(3))
    body: Colour = (vivid[0], vivid[1], vivid[2]) if style > 0.85 else (tint[0], tint[1], tint[2])
    if style < 0.2:
        return dict.fromkeys(("body", "light", "wood", "dark", "bright", "line", "edge", *_SIGNALS), body)
    bright = (rng.randint(30, 255), rng.randint(30, 255), rng.randint(30, 255))
    wood = rng.choice(((120, 70, 35), (90, 50, 25), (160, 105, 60), (50, 50, 52)))
    colours = {"body": body, "light": _lighten(body, 70), "wood": wood, "dark": _lighten(body, -30), "bright": bright}
    return {**colours, "line": _lighten(body, -20), "edge": _lighten(body, -40), **_SIGNALS}


def _lighten(colour: Colour, by: int) -> Colour:
    red, green, blue = (min(255, max(0, value + by)) for value in colour)
    return (red, green, blue)


def _shine(rng: random.Random, layer: Image.Image) -> Image.Image:
    """Light from above and softer edges, as a photograph has."""
    if rng.random() < 0.4:
        return layer
    light = Image.linear_gradient("L").resize(layer.size).point(lambda value: 255 - value)
    lit = Image.blend(layer.convert("RGB"), Image.merge("RGB", (light,) * 3), rng.uniform(0.05, 0.2))
    lit.putalpha(layer.getchannel("A"))
    return lit.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))
