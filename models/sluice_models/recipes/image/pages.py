"""Harmless pages drawn by program: notices, documents, chats, screens, tables and charts, which no photograph shows."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from sluice.features.image import image_rows

WORDS = (
    "meeting", "river", "garden", "market", "train", "letter", "coffee", "school", "museum", "holiday", "ticket",
    "library", "kitchen", "station", "concert", "report", "printer", "office", "bakery", "lesson", "team", "project",
    "street", "weather", "camera", "bicycle", "opens", "closes", "starts", "moves", "returns", "arrives", "welcomes",
    "needs", "keeps", "today", "tomorrow", "now", "at noon", "on Friday", "for everyone", "until June", "10:30",
    "18.00", "50%", "No. 7", "free", "new", "large", "small",
)  # fmt: skip
Colour = tuple[int, int, int]
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


class Page:
    """A page in the making: its paper, an ink that can be read on it, and the pen."""

    def __init__(self, rng: random.Random, width: int, height: int) -> None:
        self.rng, self.width, self.height = rng, width, height
        self.paper = choose_paper(rng)
        self.ink = choose_ink(rng, is_light(self.paper))
        self.image = Image.new("RGB", (width, height), self.paper)
        self.pen = ImageDraw.Draw(self.image)

    def write(self, x: int, y: int, n_words: int, size: int, ink: Colour | None = None) -> None:
        """Write a few words."""
        font = ImageFont.load_default(size)
        self.pen.text((x, y), write_phrase(self.rng, n_words), font=font, fill=ink or self.ink)


def choose_paper(rng: random.Random) -> Colour:
    """White for every second page, else nearly white, dark or of any colour."""
    kind = rng.random()
    low, high = (255, 255) if kind < 0.5 else (225, 255) if kind < 0.7 else (0, 60) if kind < 0.85 else (0, 255)
    return choose_colour(rng, low, high)


def choose_ink(rng: random.Random, on_light: bool) -> Colour:
    """Black or white for every second page, else a dark or bright colour."""
    if rng.random() < 0.5:
        return BLACK if on_light else WHITE
    return choose_colour(rng, 0, 110) if on_light else choose_colour(rng, 180, 255)


def choose_colour(rng: random.Random, low: int = 0, high: int = 255) -> Colour:
    """Any colour whose three parts are within limits."""
    red, green, blue = (rng.randint(low, high) for _ in range(3))
    return (red, green, blue)


def is_light(colour: Colour) -> bool:
    """Whether dark ink is read better on it."""
    return sum(colour) > 380


def write_phrase(rng: random.Random, n_words: int) -> str:
    """Some words with no meaning."""
    return " ".join(rng.choice(WORDS) for _ in range(n_words)).capitalize()


def draw_notice(rng: random.Random) -> Image.Image:
    """A few large words, some in a frame."""
    page = Page(rng, *rng.choice(((640, 360), (640, 480), (480, 480), (400, 600), (800, 450))))
    size, y = rng.randint(24, 90), rng.randint(0, page.height // 2)
    for line in range(rng.randint(1, 3)):
        page.write(rng.randint(5, page.width // 3), y + round(1.4 * size * line), rng.randint(1, 4), size)
    if rng.random() < 0.3:
        frame = (8, 8, page.width - 8, page.height - 8)
        page.pen.rectangle(frame, outline=page.ink, width=rng.randint(1, 6))
    return page.image


def draw_document(rng: random.Random) -> Image.Image:
    """Lines from top to bottom, often below a heading."""
    page = Page(rng, *rng.choice(((500, 700), (600, 600), (700, 500))))
    size = rng.randint(9, 22)
    if rng.random() < 0.6:
        page.write(30, 20, 3, 2 * size)
    for y in range(30 + 3 * size, page.height - 30, round(1.5 * size)):
        if rng.random() > 0.12:
            page.write(30, y, rng.randint(3, 12), size)
    return page.image


def draw_chat(rng: random.Random) -> Image.Image:
    """Bubbles on the left and on the right."""
    page = Page(rng, *rng.choice(((360, 640), (400, 500))))
    colours, y = [choose_colour(rng, 120, 255) for _ in range(2)], 20
    while y < page.height - 80:
        n_lines, side, width = rng.randint(1, 3), rng.randrange(2), rng.randint(120, 240)
        x, height = (15, page.width - width - 15)[side], 20 * n_lines + 14
        page.pen.rounded_rectangle((x, y, x + width, y + height), 10, fill=colours[side])
        for line in range(n_lines):
            page.write(x + 10, y + 6 + 20 * line, rng.randint(1, 4), 14, (20, 20, 20))
        y += height + 12
    return page.image


def draw_screen(rng: random.Random) -> Image.Image:
    """A window with a bar, buttons, labels and boxes."""
    page = Page(rng, *rng.choice(((640, 400), (700, 500), (400, 640))))
    bar = choose_colour(rng)
    page.pen.rectangle((0, 0, page.width, rng.randint(20, 60)), fill=bar)
    page.write(10, 8, 2, 18, BLACK if is_light(bar) else WHITE)
    for _ in range(rng.randint(3, 12)):
        x, y = rng.randint(0, page.width - 100), rng.randint(65, page.height - 40)
        rng.choice((_add_button, _add_label, _add_box))(page, x, y)
    return page.image


def _add_button(page: Page, x: int, y: int) -> None:
    colour = choose_colour(page.rng)
    page.pen.rounded_rectangle((x, y, x + page.rng.randint(60, 140), y + 28), 6, fill=colour)
    page.write(x + 8, y + 6, 1, 13, BLACK if is_light(colour) else WHITE)


def _add_label(page: Page, x: int, y: int) -> None:
    page.write(x, y, page.rng.randint(2, 6), page.rng.randint(11, 20))


def _add_box(page: Page, x: int, y: int) -> None:
    corner = x + page.rng.randint(40, 200), y + page.rng.randint(20, 120)
    page.pen.rectangle((x, y, *corner), outline=page.ink, width=page.rng.randint(1, 3))


def draw_table(rng: random.Random) -> Image.Image:
    """Ruled rows and columns with words and numbers."""
    page = Page(rng, *rng.choice(((640, 400), (500, 500))))
    columns = np.linspace(20, page.width - 20, rng.randint(3, 7)).round().astype(int).tolist()
    rows = np.linspace(20, page.height - 20, rng.randint(4, 13)).round().astype(int).tolist()
    for y in rows:
        page.pen.line((20, y, page.width - 20, y), fill=page.ink)
    for x in columns:
        page.pen.line((x, 20, x, page.height - 20), fill=page.ink)
    for x in columns[:-1]:
        for y in rows[:-1]:
            page.write(x + 6, y + 4, 1, 14)
    return page.image


def draw_chart(rng: random.Random) -> Image.Image:
    """Axes with bars or a line, and a heading."""
    page = Page(rng, 600, 400)
    page.pen.line((50, 20, 50, 360, 580, 360), fill=page.ink, width=2)
    page.write(200, 5, 3, 20)
    heights, colour = [rng.randint(40, 350) for _ in range(rng.randint(3, 14))], choose_colour(rng)
    step = 520 // len(heights)
    points = [(60 + step * place, height) for place, height in enumerate(heights)]
    if rng.random() < 0.5:
        page.pen.line(points, fill=colour, width=rng.randint(1, 5))
        return page.image
    for x, y in points:
        page.pen.rectangle((x, y, x + 0.7 * step, 360), fill=colour)
    return page.image


KINDS: tuple[Callable[[random.Random], Image.Image], ...] = (
    draw_notice, draw_notice, draw_document, draw_chat, draw_screen, draw_table, draw_chart,
)  # fmt: skip


def draw_pages(n_pages: int, seed: int) -> npt.NDArray[np.uint8]:
    """Pages as rows of pixels, shape = (n_pages, 3, 160, 160); the same seed draws the same."""
    rng = random.Random(seed)
    return np.stack([image_rows(rng.choice(KINDS)(rng))[0].pixels for _ in range(n_pages)])
