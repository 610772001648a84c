"""What a worker and its decoders say to each other: frames of a kind, a length and a body. No pickles.

A decoder that a file has taken over can say anything: every answer is checked before its numbers become arrays.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.contract import ALL_PAGES_PIXELS, MAX_AUDIO_ROWS, MAX_IMAGE_ROWS, MIN_PAGE_PX
from sluice.features import (
    IMAGE_SIZE_PX,
    MAX_PRINTS,
    N_FRAMES,
    N_MELS,
    SAMPLE_RATE_HZ,
    AudioRow,
    Features,
    ImageRow,
    Page,
    Print,
    Speech,
)
from sluice.features.pdq import HASH_BYTES
from sluice.features.speech import MAX_SPEECH_S

HEADER = struct.Struct("<cQ")
IMAGE, IMAGE_AND_PAGES, IMAGE_AND_PRINTS, IMAGE_PAGES_AND_PRINTS = b"i", b"p", b"h", b"b"
"""Decode the body: a picture, one with the pages in which text is looked for, one with what it is known by, or both."""
AUDIO, AUDIO_AND_SPEECH = b"a", b"s"
"""A clip, one with what is spoken in it."""
WANTED, GRANTED = b"w", b"g"
"""A decoder needs memory, and may have it; the body of the first is a count of bytes."""
FEATURES, FAILURE, TRACE = b"f", b"x", b"t"
"""How it ended; a trace tells of a fault of ours, without content."""
COUNT = struct.Struct("<Q")
_CLIPS = (AUDIO, AUDIO_AND_SPEECH)
_PAGED = (IMAGE_AND_PAGES, IMAGE_PAGES_AND_PRINTS)
_PRINTED = (IMAGE_AND_PRINTS, IMAGE_PAGES_AND_PRINTS)
MAX_ANSWER_BYTES = 16 * 2**20
_MAX_DETAIL = 200

_PIXELS_SHAPE = (3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
_MEL_SHAPE = (N_MELS, N_FRAMES)


class BadAnswer(Exception):
    """An answer that no decoder of ours gives."""


class _Row(msgspec.Struct, array_like=True, frozen=True):
    values: bytes
    place: tuple[float, ...]


class _Page(msgspec.Struct, array_like=True, frozen=True):
    values: bytes
    width: int
    box: tuple[float, float, float, float]


class _Speech(msgspec.Struct, array_like=True, frozen=True):
    values: bytes
    stretches: tuple[tuple[float, float], ...]
    left_out_s: float


class _Print(msgspec.Struct, array_like=True, frozen=True):
    bits: bytes
    quality: Annotated[int, msgspec.Meta(ge=0, le=100)]


class _Answer(msgspec.Struct, array_like=True, frozen=True):
    rows: list[_Row]
    partial: str | None
    pages: list[_Page] = []
    speech: _Speech | None = None
    prints: list[_Print] = []


class Failure(msgspec.Struct, array_like=True, frozen=True):
    """Why a part cannot be scored; see `PartFailed`."""

    reason: str
    detail: str


_ANSWERS, _FAILURES = msgspec.msgpack.Decoder(_Answer), msgspec.msgpack.Decoder(Failure)
_ENCODER = msgspec.msgpack.Encoder()


def frame(kind: bytes, body: bytes = b"") -> bytes:
    """A message as it goes through the pipe."""
    return HEADER.pack(kind, len(body)) + body


def write_features(features: Features[Any]) -> bytes:
    """Rows of a picture or a clip as bytes."""
    rows = [_Row(_values(row).tobytes(), _place(row)) for row in features.rows]
    pages = [_Page(page.pixels.tobytes(), page.pixels.shape[1], page.box) for page in features.pages]
    prints = [_Print(each.bits, each.quality) for each in features.prints]
    return _ENCODER.encode(_Answer(rows, features.partial, pages, _write_speech(features.speech), prints))


def _write_speech(speech: Speech | None) -> _Speech | None:
    return _Speech(speech.samples.tobytes(), speech.stretches, speech.left_out_s) if speech else None


def write_failure(reason: str, detail: str) -> bytes:
    """A failure as bytes."""
    return _ENCODER.encode(Failure(reason, detail))


def _values(row: ImageRow | AudioRow) -> npt.NDArray[Any]:
    return row.pixels if isinstance(row, ImageRow) else row.log_mel


def _place(row: ImageRow | AudioRow) -> tuple[float, ...]:
    return row.box if isinstance(row, ImageRow) else (row.start_s, row.end_s)


def read_failure(body: bytes, reasons: Sequence[str]) -> Failure:
    """A failure whose reason is one of `reasons`.

    Raises
    ------
    BadAnswer
        It is none.
    """
    try:
        failure = _FAILURES.decode(body)
    except msgspec.MsgspecError as error:
        raise BadAnswer("not a failure") from error
    if failure.reason not in reasons:
        raise BadAnswer("an unknown reason")
    return Failure(failure.reason, _clean(failure.detail))


def read_features(body: bytes, kind: bytes) -> Features[Any]:
    """Rows of a picture or a clip.

    Raises
    ------
    BadAnswer
        They are none.
    """
    try:
        answer = _ANSWERS.decode(body)
        read, most = (_read_audio, MAX_AUDIO_ROWS) if kind in _CLIPS else (_read_image, MAX_IMAGE_ROWS)
        rows = tuple(read(row) for row in answer.rows)
        pages = _read_pages(answer.pages) if kind in _PAGED else ()
        speech = _read_speech(answer.speech) if answer.speech and kind == AUDIO_AND_SPEECH else None
        prints = tuple(map(_read_print, answer.prints[: MAX_PRINTS if kind in _PRINTED else 0]))
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadAnswer("no features") from error
    if not 1 <= len(rows) <= most:
        raise BadAnswer(f"{len(rows)} rows")
    partial = None if answer.partial is None else _clean(answer.partial)
    return Features(rows, partial, pages=pages, speech=speech, prints=prints)


def _read_print(read: _Print) -> Print:
    if len(read.bits) != HASH_BYTES:
        raise ValueError("a hash of another length")
    return Print(read.bits, read.quality)


def _read_image(row: _Row) -> ImageRow:
    return ImageRow(np.frombuffer(row.values, np.uint8).reshape(_PIXELS_SHAPE), _read_box(row.place))


def _read_box(place: tuple[float, ...]) -> tuple[float, float, float, float]:
    left, top, right, bottom = place
    if not (0.0 <= left < right <= 1.0 and 0.0 <= top < bottom <= 1.0):
        raise ValueError("a box outside the picture")
    return left, top, right, bottom


def _read_pages(pages: Sequence[_Page]) -> tuple[Page, ...]:
    if sum(len(page.values) for page in pages) > 3 * ALL_PAGES_PIXELS:
        raise ValueError("larger pages than were asked for")
    return tuple(_read_page(page) for page in pages)


def _read_page(page: _Page) -> Page:
    if not page.values or page.width < MIN_PAGE_PX:
        raise ValueError("an empty page")
    return Page(np.frombuffer(page.values, np.uint8).reshape(-1, page.width, 3), _read_box(page.box))


def _read_speech(speech: _Speech) -> Speech:
    samples = np.frombuffer(speech.values, np.int16)
    length_s = sum(end_s - start_s for start_s, end_s in speech.stretches)
    in_order = all(0.0 <= start_s < end_s < np.inf for start_s, end_s in speech.stretches)
    if not (in_order and 0 < len(samples) <= MAX_SPEECH_S * SAMPLE_RATE_HZ and 0.0 <= speech.left_out_s < np.inf):
        raise ValueError("no speech")
    if abs(length_s - len(samples) / SAMPLE_RATE_HZ) > 1.0 / SAMPLE_RATE_HZ * (1 + len(speech.stretches)):
        raise ValueError("stretches of another length")
    return Speech(samples, speech.stretches, speech.left_out_s)


def _read_audio(row: _Row) -> AudioRow:
    start_s, end_s = row.place
    log_mel = np.frombuffer(row.values, np.float32).reshape(_MEL_SHAPE)
    if not (0.0 <= start_s < end_s < np.inf and bool((np.abs(log_mel) <= 1.0).all())):
        raise ValueError("energies or times out of range")
    return AudioRow(log_mel, start_s, end_s)


def _clean(text: str) -> str:
    return "".join(letter for letter in text[:_MAX_DETAIL] if letter.isprintable())
