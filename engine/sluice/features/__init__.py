"""Bytes and strings to model inputs; shared by training and serving, so there is no skew.

Each part of a post becomes one or more *rows*: the inputs of one row of its encoder, and where in the part they came
from. A long text has a row per window, a tall image a row per tile, an animation a row per sampled frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from sluice.contract import IMAGE_SIZE_PX as IMAGE_SIZE_PX
from sluice.contract import N_FRAMES as N_FRAMES
from sluice.contract import N_MELS as N_MELS
from sluice.contract import TEXT_WINDOW_TOKENS as TEXT_WINDOW_TOKENS

SAMPLE_RATE_HZ = 16_000
HOP_S = 0.02
WINDOW_S = N_FRAMES * HOP_S  # 4 s


class Row(Protocol):
    """What one row of an encoder is made of."""

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """Its tensors, in the order of the encoder's inputs and with their shapes in `sluice.contract`."""
        ...


@dataclass(frozen=True, slots=True)
class TextRow:
    """One window of a text.

    Attributes
    ----------
    input_ids, attention_mask : ndarray of int64, shape = (L,)
        Token ids and ones, special tokens included; L <= `TEXT_WINDOW_TOKENS`.
    spans : ndarray of int32, shape = (L, 2)
        Characters [start, end) of the text *as published* behind each token; (0, 0) for special tokens
        and for spaces alone.
    """

    input_ids: npt.NDArray[np.int64]
    attention_mask: npt.NDArray[np.int64]
    spans: npt.NDArray[np.int32]

    @property
    def arrays(self) -> tuple[npt.NDArray[np.int64], ...]:
        """See `Row.arrays`."""
        return self.input_ids, self.attention_mask


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One view of an image.

    Attributes
    ----------
    pixels : ndarray of uint8, shape = (3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
        RGB, the EXIF orientation applied, squashed to a square.
    box : tuple of float
        Left, top, right, bottom of the view as shares of the upright image.
    """

    pixels: npt.NDArray[np.uint8]
    box: tuple[float, float, float, float]

    @property
    def arrays(self) -> tuple[npt.NDArray[np.uint8], ...]:
        """See `Row.arrays`."""
        return (self.pixels,)


@dataclass(frozen=True, slots=True)
class Page:
    """A picture, or a part of one, in which text is looked for.

    Attributes
    ----------
    pixels : ndarray of uint8, shape = (h, w, 3)
        RGB, upright; at most `PAGE_PIXELS` pixels.
    box : tuple of float
        Left, top, right, bottom of the page as shares of the upright image.
    """

    pixels: npt.NDArray[np.uint8]
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class AudioRow:
    """One window of a clip.

    Attributes
    ----------
    log_mel : ndarray of float32, shape = (N_MELS, N_FRAMES)
        Log-mel energies in [-1, 1]: 80 dB below the window's loudest frame to 0 dB.
    start_s, end_s : float
        The part of the clip that the window holds; padding lies behind `end_s`.
    """

    log_mel: npt.NDArray[np.float32]
    start_s: float
    end_s: float

    @property
    def arrays(self) -> tuple[npt.NDArray[np.float32], ...]:
        """See `Row.arrays`."""
        return (self.log_mel,)


@dataclass(frozen=True, slots=True)
class Speech:
    """What is spoken in a clip.

    Attributes
    ----------
    samples : ndarray of int16, shape = (n,)
        16 kHz; the stretches in which somebody speaks, one after the other.
    stretches : tuple of (float, float)
        From when to when in the clip each is, in seconds.
    left_out_s : float
        Of speech behind them that is over the limit.
    """

    samples: npt.NDArray[np.int16]
    stretches: tuple[tuple[float, float], ...]
    left_out_s: float = 0.0

    def places(self, start_s: float, end_s: float) -> list[tuple[float, float]]:
        """When in the clip seconds `start_s` to `end_s` of `samples` are: a range for each stretch that they touch."""
        found, before_s = [], 0.0
        for first_s, last_s in self.stretches:
            shift_s = first_s - before_s
            low, high = max(start_s + shift_s, first_s), min(end_s + shift_s, last_s)
            if low < high:
                found.append((low, high))
            before_s += last_s - first_s
        return found


UND = "und"
"""ISO 639's code for a language that is not determined: a text too short or uncertain, or none at all."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language and how probable it is.

    Attributes
    ----------
    code : str
        BCP 47: an ISO 639 code; `UND` where nothing is probable enough; ``und-Cyrl`` and the like where only the
        script is sure.
    probability : float
        In [0, 1]; of `UND`, that of the most probable language.
    """

    code: str
    probability: float


@dataclass(frozen=True, slots=True)
class Languages:
    """The languages of a text.

    Attributes
    ----------
    main : Language
        That of most of it.
    unread : tuple of str
        Codes of the languages that a large part of it is in and that are not read, the largest part first.
    """

    main: Language
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Print:
    """What copies of a picture have in common: its PDQ hash.

    Attributes
    ----------
    bits : bytes
        32 of them.
    quality : int
        From 0 to 100: below 50 there is little to tell it by, as in a picture of one colour.
    """

    bits: bytes
    quality: int


MAX_PRINTS = 64
"""Of one picture."""

RowT = TypeVar("RowT", bound=Row)


@dataclass(frozen=True, slots=True)
class Features(Generic[RowT]):
    """All rows of one part.

    Attributes
    ----------
    rows : tuple of Row
        At least one.
    partial : str or None
        What was left out because the part is longer than the limit (``"32 of 900 windows read"``), else None.
    languages : Languages or None
        Those of a text.
    wider : mapping of int to Row
        By the position of a row that is only a detail: the same with what is around it, which is read too if it stands
        out, and may clear it.
    pages : tuple of Page
        Of an image: where text is looked for; none where there can be none.
    speech : Speech or None
        What is spoken in a clip, where somebody listened.
    prints : tuple of Print
        Of a picture: one for each way to read its colours, of an animation for each scene.
    """

    rows: tuple[RowT, ...]
    partial: str | None = None
    languages: Languages | None = None
    wider: Mapping[int, RowT] = field(default_factory=dict)
    pages: tuple[Page, ...] = ()
    speech: Speech | None = None
    prints: tuple[Print, ...] = ()


Reserve = Callable[[int], None]
"""Called with a number of bytes before about so many are taken for one file; may wait, and may raise."""


def unlimited(n_bytes: int) -> None:
    """A `Reserve` that lets everything pass."""
