"""Pages to the lines of text in them, by the two models that read text in pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sluice.config import PictureTextConfig
from sluice.contract import LINES_TOGETHER, OCR_DETECTOR, OCR_RECOGNISER
from sluice.features import Page
from sluice.inference import Arrays, Classifier
from sluice.metrics import Metrics
from sluice.modalities.lettering import Floats, Line, PageLines

LEAST_CERTAINTY = 0.6
"""Of the recogniser: below, a line's letters are guesses."""
_LEAST_LETTERS = 2
"""Anything round is an O to the recogniser, and anything with a corner an L."""
SURE_LINE = 0.8
_SURE_ASPECT, _SURE_HEIGHT = 2.0, 0.4
"""Where the detector is so certain, and what it found is so long and low, there is text although nobody can read it; of
the height, a share of the page's shorter side."""
_UNREAD_SHARE = 1 / 3
"""Of the lines of a picture: fewer that cannot be read are what every photograph of a street has."""
_PATIENCE_S = 600.0
"""The longest deadline that a post may have: its own comes before."""


@dataclass(slots=True)
class Reading:
    """What was read in a picture.

    Attributes
    ----------
    pages : list of PageLines
    n_read, n_unreadable, n_left_out : int
        Lines: those that were read, those that are surely text but cannot be read, those over the limits.
    """

    pages: list[PageLines] = field(default_factory=list)
    n_read: int = 0
    n_unreadable: int = 0
    n_left_out: int = 0

    @property
    def found(self) -> str:
        """What the metrics call it."""
        return "text" if self.n_read else "unreadable" if self.n_unreadable else "none"

    def describe_rest(self) -> str | None:
        """What was not read; None where that is nothing, or next to nothing."""
        n_seen = self.n_read + self.n_unreadable
        if self.n_left_out:
            return f"{n_seen} of {n_seen + self.n_left_out} lines read"
        if self.n_unreadable > _UNREAD_SHARE * n_seen:
            return f"{self.n_unreadable} of {n_seen} lines cannot be read"
        return None


class PageReader:
    """Reads the text in pictures.

    Parameters
    ----------
    classifier : Classifier
        With `OCR_MODELS`.
    metrics : Metrics
    config : PictureTextConfig

    Attributes
    ----------
    max_waiting_bytes : int
        Of pages that whoever calls `read` may hold meanwhile.
    """

    def __init__(self, classifier: Classifier, metrics: Metrics, config: PictureTextConfig | None = None) -> None:
        self._classifier = classifier
        self._metrics = metrics
        config = config or PictureTextConfig()
        self._max_lines = config.max_lines
        self.max_waiting_bytes = config.max_waiting_bytes

    async def read(self, pages: Sequence[Page]) -> Reading:
        """Lines of all pages, in their order; raises as `Classifier.infer` does.

        One page after another and few lines at once: other posts' pictures come in between.
        """
        reading = Reading()
        for page in pages:
            corners, certainty = await self._detect(page, reading)
            found = await self._recognise(page, corners, certainty, reading)
            lines = tuple(line for line in found if _is_new(line, page, reading))
            reading.n_read += len(lines)
            reading.pages.append(PageLines((page.pixels.shape[1], page.pixels.shape[0]), page.box, lines))
        self._metrics.pictures.labels(reading.found).inc()
        return reading

    async def _detect(self, page: Page, reading: Reading) -> tuple[Floats, Floats]:
        """Corners in pixels of the lines that are to be read, shape = (n, 4, 2), and how certain each is a line."""
        (found,) = await self._classifier.infer(OCR_DETECTOR, [{"page": page.pixels}], _deadline())
        n_found = int(found["n_lines"][0])
        room = self._max_lines - reading.n_read - reading.n_unreadable
        n_taken = max(0, min(n_found, room, len(found["corners"])))
        reading.n_left_out += n_found - n_taken
        return found["corners"][:n_taken], found["certainty"][:n_taken]

    async def _recognise(self, page: Page, corners: Floats, certainty: Floats, reading: Reading) -> list[Line]:
        lines = []
        size = np.array([page.pixels.shape[1], page.pixels.shape[0]])
        for start in range(0, len(corners), LINES_TOGETHER):
            group = corners[start : start + LINES_TOGETHER]
            (read,) = await self._classifier.infer(OCR_RECOGNISER, [_ask(page, group)], _deadline())
            for index, place in enumerate(group):
                text = bytes(read["letters"][index]).rstrip(b"\0").decode(errors="ignore").strip()
                if is_legible(text, float(read["certainty"][index])):
                    lines.append(Line(text, place * size))
                elif certainty[start + index] >= SURE_LINE and _looks_like_text(place * size, size):
                    reading.n_unreadable += 1
        return lines


def is_legible(text: str, certainty: float) -> bool:
    """Whether what the recogniser says of a line is worth reading."""
    return certainty >= LEAST_CERTAINTY and sum(map(str.isalnum, text)) >= _LEAST_LETTERS


def _ask(page: Page, corners: Floats) -> Arrays:
    filled = np.zeros(OCR_RECOGNISER.inputs[1].sizes(), np.float32)
    filled[: len(corners)] = corners
    return {"page": page.pixels, "corners": filled}


def _looks_like_text(corners: Floats, size: Floats) -> bool:
    sides = sorted(float(np.linalg.norm(corners[i] - corners[0])) for i in (1, 3))
    return sides[1] >= _SURE_ASPECT * sides[0] and sides[0] <= _SURE_HEIGHT * min(size)


def _is_new(line: Line, page: Page, reading: Reading) -> bool:
    """Whether a line was not read before in the same place: frames of an animation often share their text."""
    same = (each for each in reading.pages if each.box == page.box)
    return all(line.text != other.text for each in same for other in each.lines)


def _deadline() -> float:
    return asyncio.get_running_loop().time() + _PATIENCE_S
