"""Lines of text in a picture into one text, and its characters back to places in the picture."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Box = tuple[float, float, float, float]

TALL = 1.5
"""From this height by width on, a line is read from top to bottom, as the recogniser turns it."""
_MAX_GAP = 0.6
"""Between two lines of one paragraph, and between two pieces of one line: of the lower height."""
_MAX_HEIGHT_RATIO = 1.7
_MIN_OVERLAP = 0.5
"""Of the narrower of two lines of one paragraph, and of the lower of two pieces of one line."""
_PARAGRAPH = "\n"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text in a page.

    Attributes
    ----------
    corners : ndarray, shape = (4, 2)
        In pixels of the page: left top, then clockwise.
    """

    text: str
    corners: Floats

    @property
    def sides(self) -> Box:
        """Left, top, right and bottom of the line, upright around it."""
        (left, top), (right, bottom) = self.corners.min(axis=0), self.corners.max(axis=0)
        return float(left), float(top), float(right), float(bottom)


@dataclass(frozen=True, slots=True)
class PageLines:
    """The lines of one page.

    Attributes
    ----------
    size : tuple of int
        Width and height of the page in pixels.
    box : tuple of float
        Of the page, as shares of the picture.
    """

    size: tuple[int, int]
    box: Box
    lines: tuple[Line, ...]


@dataclass(slots=True)
class Layout:
    """The text of a picture, and where in it each line stands.

    Attributes
    ----------
    text : str
        Lines of a paragraph follow one another as in a sentence; each paragraph is a line of its own.
    """

    text: str = ""
    _starts: list[int] = field(default_factory=list)
    _lines: list[tuple[Line, PageLines]] = field(default_factory=list)

    def add(self, joint: str, line: Line, page: PageLines) -> None:
        """Put a line behind what is there."""
        self.text += joint if self.text else ""
        self._starts.append(len(self.text))
        self._lines.append((line, page))
        self.text += line.text

    def boxes(self, start: int, end: int) -> Iterator[Box]:
        """Where characters `start` to `end` of the text stand: a box per line, as shares of the picture."""
        first = max(0, bisect_right(self._starts, start) - 1)
        for begins, (line, page) in zip(self._starts[first:], self._lines[first:], strict=True):
            low, high = max(start - begins, 0), min(end - begins, len(line.text))
            if begins >= end:
                return
            if low < high:
                yield _place(line, page, low / len(line.text), high / len(line.text))


def lay_out(pages: Sequence[PageLines]) -> Layout:
    """Join lines to paragraphs, and paragraphs to one text, in the order in which people read them."""
    layout = Layout()
    for page in pages:
        for paragraph in _find_paragraphs(_in_rows(page.lines)):
            layout.add(_PARAGRAPH, paragraph[0], page)
            for before, line in pairwise(paragraph):
                layout.add(_joint(before.text, line.text), line, page)
    return layout


def _in_rows(lines: Sequence[Line]) -> list[Line]:
    """From top to bottom; what stands on one height, from left to right."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=_middle):
        if rows and _share_height(rows[-1][0], line) >= _MIN_OVERLAP:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.sides[0])]


def _find_paragraphs(lines: Sequence[Line]) -> list[list[Line]]:
    paragraphs: list[list[Line]] = []
    for line in lines:
        above = next((each for each in reversed(paragraphs) if _continues(each[-1], line)), None)
        if above is None:
            paragraphs.append([line])
        else:
            above.append(line)
    return paragraphs


def _continues(line: Line, following: Line) -> bool:
    """Whether a line goes on in another: beside it or below it, near it, and in letters of about the same size."""
    heights = sorted((_height(line), _height(following)))
    if heights[1] > _MAX_HEIGHT_RATIO * heights[0]:
        return False
    left, top, right, bottom = line.sides
    other_left, other_top, other_right, _ = following.sides
    nearest = _MAX_GAP * heights[0]
    if _share_height(line, following) >= _MIN_OVERLAP:
        return abs(other_left - right) <= nearest
    shared = min(right, other_right) - max(left, other_left)
    is_below = top < other_top <= bottom + nearest
    return is_below and shared >= _MIN_OVERLAP * min(right - left, other_right - other_left)


def _height(line: Line) -> float:
    return max(1.0, line.sides[3] - line.sides[1])


def _middle(line: Line) -> float:
    return (line.sides[1] + line.sides[3]) / 2


def _share_height(line: Line, other: Line) -> float:
    shared = min(line.sides[3], other.sides[3]) - max(line.sides[1], other.sides[1])
    return shared / min(_height(line), _height(other))


def _joint(before: str, after: str) -> str:
    """What stands between two lines of a paragraph: nothing where a script is written without spaces."""
    return "" if _is_wide(before[-1]) and _is_wide(after[0]) else " "


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF" and not "\uac00" <= letter <= "\ud7a3"


def _place(line: Line, page: PageLines, low: float, high: float) -> Box:
    """A stretch of a line, given as shares of its length."""
    corners = line.corners / np.array(page.size)
    left, top, right, bottom = page.box
    corners = corners * [right - left, bottom - top] + [left, top]
    first, second, third, fourth = corners
    width, height = (float(np.linalg.norm(line.corners[i] - line.corners[0])) for i in (1, 3))
    starts, ends = (first, second), (fourth, third)
    if height < TALL * width:
        starts, ends = (first, fourth), (second, third)
    points = [start + share * (end - start) for start, end in zip(starts, ends, strict=True) for share in (low, high)]
    sides = np.clip([*np.min(points, axis=0), *np.max(points, axis=0)], 0.0, 1.0)
    x0, y0, x1, y1 = (round(float(side), 4) for side in sides)
    return x0, y0, x1, y1
