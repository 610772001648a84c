"""Which frames of an animation are looked at: those that fill its time, and every other scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from sluice.features import ImageRow, Page, Print

MAX_FRAMES = 4
"""Frames that are looked at whatever they show, spread over the time."""
_MAX_REMEMBERED = 64
_LOOK_PX, _N_BLOCKS = 16, 4
_SAME_STEP = 2.0
_NEW_STEP, _NEW_BLOCK_STEP = 20.0, 64.0
"""Of 255, on average over the frame and over a sixteenth of it: more is another scene."""

Look = npt.NDArray[np.float32]


def choose_frames(durations_s: Sequence[float], n_wanted: int) -> list[int]:
    """Frames that are shown at evenly spread moments, from the first to the last.

    Parameters
    ----------
    durations_s : sequence of float
        Seconds that each frame is shown.
    n_wanted : int
        At least one; fewer frames come back where one is shown at several of the moments.

    >>> choose_frames([0.1] * 10, 4), choose_frames([0.1, 9.0, 0.1], 4)
    ([0, 3, 6, 9], [0, 1, 2])
    """
    if len(set(durations_s)) <= 1:
        return [round(index) for index in np.linspace(0, len(durations_s) - 1, n_wanted)]
    ends = np.cumsum(durations_s)
    moments = np.linspace(0, ends[-1], n_wanted)
    shown = np.searchsorted(ends, moments, side="right").clip(max=len(durations_s) - 1)
    return sorted({int(index) for index in shown})


@dataclass(slots=True)
class _Scene:
    index: int
    look: Look
    rows: tuple[ImageRow, ...]
    is_chosen: bool
    shown_s: float = 0.0


@dataclass(slots=True)
class Scenes:
    """Collects the frames to look at while an animation is decoded from its start.

    Attributes
    ----------
    chosen : frozenset of int
        Frames that are kept whatever they show.
    pages : list of Page
        In which text is looked for: those of the chosen frames.
    prints : list of Print
        Hashes of the frames that were kept.
    """

    chosen: frozenset[int]
    pages: list[Page] = field(default_factory=list)
    prints: list[Print] = field(default_factory=list)
    _read: list[Look] = field(default_factory=list)
    _kept: list[_Scene] = field(default_factory=list)
    _n_forgotten: int = 0

    def wants(self, index: int, look: Look, shown_s: float) -> bool:
        """Whether a frame shows what none before did; else its time counts for the one that it resembles."""
        is_chosen = index in self.chosen
        twin = next((scene for scene in self._kept if _resembles(look, scene.look, is_chosen)), None)
        if twin is not None:
            twin.shown_s += shown_s
            twin.is_chosen |= is_chosen
            return False
        if not is_chosen and len(self._kept) >= _MAX_REMEMBERED:
            self._n_forgotten += 1
            return False
        return True

    def is_read(self, index: int, look: Look) -> bool:
        """Whether text is looked for in a frame: in those that were chosen, unless one before was its very copy."""
        is_new = index in self.chosen and not any(_resembles(look, other, True) for other in self._read)
        if is_new:
            self._read.append(look)
        return is_new

    def keep(self, index: int, look: Look, shown_s: float, rows: tuple[ImageRow, ...]) -> None:
        """Remember a frame that is wanted."""
        self._kept.append(_Scene(index, look, rows, index in self.chosen, shown_s))

    def rows(self, max_rows: int) -> tuple[ImageRow, ...]:
        """Rows of the frames that are looked at, in their order."""
        return tuple(row for scene in self._looked_at(max_rows) for row in scene.rows)

    def describe_rest(self, max_rows: int) -> str | None:
        """What is not looked at."""
        n_looked_at, n_all = len(self._looked_at(max_rows)), len(self._kept) + self._n_forgotten
        return f"{n_looked_at} of {n_all} scenes read" if n_looked_at < n_all else None

    def _looked_at(self, max_rows: int) -> list[_Scene]:
        """As many as fit, the ones that were chosen first, then those that are shown longest."""
        ranked = sorted(self._kept, key=lambda scene: (not scene.is_chosen, -scene.shown_s, scene.index))
        ends = np.cumsum([len(scene.rows) for scene in ranked])
        fitting = [scene for scene, end in zip(ranked, ends, strict=True) if end <= max_rows]
        return sorted(fitting or ranked[:1], key=lambda scene: scene.index)


def look_at(rgb: Image.Image) -> Look:
    """A frame in a few numbers, to compare it by."""
    small = rgb.resize((_LOOK_PX, _LOOK_PX), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(small, dtype=np.float32)


def _resembles(look: Look, other: Look, is_chosen: bool) -> bool:
    """Whether two frames show the same scene; one that was chosen is left out only for its very copy."""
    difference = np.abs(look - other).mean(axis=2)
    if is_chosen:
        return float(difference.mean()) <= _SAME_STEP
    side = _LOOK_PX // _N_BLOCKS
    blocks = difference.reshape(_N_BLOCKS, side, _N_BLOCKS, side).mean(axis=(1, 3))
    return float(difference.mean()) <= _NEW_STEP and float(blocks.max()) <= _NEW_BLOCK_STEP
