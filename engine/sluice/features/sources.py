"""A clip's bytes to blocks of samples, whatever container and codec they came in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from sluice.errors import MediaInvalid
from sluice.features import flac, joined, mpeg, ogg, riff, voice_notes
from sluice.features.levels import find_scale
from sluice.features.sniffing import name_of, strip_leading

Float32 = npt.NDArray[np.float32]

BLOCK_S = 1.0
_RATES_HZ = range(1_000, 384_001)
_MAX_CHANNELS = 16
_MAX_LINKS = 256
_UNKNOWN_FRAMES = 2**62  # libsndfile's answer for a FLAC written to a pipe is the largest integer
_FLOATS = {"FLOAT", "DOUBLE"}


@dataclass(frozen=True, slots=True)
class Source:
    """One stream of samples.

    Attributes
    ----------
    n_samples : int or None
        By the file's word, per channel; None if it does not say.
    blocks : iterator of ndarray of float32, shape = (samples, n_channels)
        About `BLOCK_S` each; raises `MediaInvalid` (``truncated``) where the stream is damaged.
    note : str or None
        What of it is missing or cannot be heard.
    """

    rate_hz: int
    n_channels: int
    n_samples: int | None
    blocks: Iterator[Float32]
    note: str | None = None


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from its start to its end.

    soundfile seeks before and after each block, to where the file is already. An MP3's decoder forgets by that what the
    frame before left to the next one, so that samples behind each block come out wrong; and it takes time.
    """

    def seekable(self) -> bool:
        """As if it were not; `seek` does it all the same."""
        return False


def open_sources(content: bytes, max_s: float) -> list[Source]:
    """The streams of a clip, to be heard one after another.

    Parameters
    ----------
    content : bytes
        WAV, FLAC, Ogg or MP3; M4A, WebM, 3GP, AMR, AAC, CAF and AIFF with the extra ``media``.
    max_s : float
        No more than this will be read.

    Raises
    ------
    MediaInvalid
        ``not_audio`` or ``unsupported``.
    """
    content = strip_leading(content)
    name = name_of(content)
    if name in voice_notes.CONTAINERS:
        return [_check(Source(*voice_notes.open_stream(content, name)))]
    first, *others = joined.split_files(content)
    sources = _open_file(first, max_s)
    for other in others:
        try:
            sources += _open_file(other, max_s)
        except MediaInvalid:
            sources[-1] = replace(sources[-1], note=join_notes(sources[-1].note, joined.UNREAD))
    return sources[:_MAX_LINKS]


def _open_file(content: bytes, max_s: float) -> list[Source]:
    name = name_of(content)
    if name in {None, "HTML"} and (start := mpeg.find_frames(content)) is not None:
        name, content = "MP3", content[start:]
    if name == "MP3":
        segments = mpeg.split_segments(content, max_s)[:_MAX_LINKS]
        return [_open(each.content, name, is_counted=each.is_counted) for each in segments]
    if name == "Ogg":
        return [_open(*_repair_link(link)) for link in ogg.split_links(content)[:_MAX_LINKS]]
    content, cut = riff.repair_sizes(flac.repair_length(content))
    return [_open(content, name, cut)]


def _repair_link(link: bytes) -> tuple[bytes, str, str | None]:
    mended, note = ogg.repair_lengths(link)
    return mended, "Ogg", note


def _open(content: bytes, name: str | None, note: str | None = None, is_counted: bool = True) -> Source:
    if name not in {"WAV", "FLAC", "Ogg", "MP3"}:  # libsndfile would try decoders of odd formats too
        raise _refuse(name)
    try:
        clip = _Forward(io.BytesIO(content))
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:
        raise MediaInvalid("not_audio", "not audio") from error
    n_samples = clip.frames if is_counted and clip.frames < _UNKNOWN_FRAMES else None
    plain = _check(Source(clip.samplerate, clip.channels, n_samples, _read(clip, "float32"), note))
    return _bring_to_scale(plain, clip) if clip.subtype in _FLOATS else plain


def _bring_to_scale(source: Source, clip: soundfile.SoundFile) -> Source:
    scale = find_scale(_read_measurable(clip), source.n_channels)
    clip.seek(0)
    blocks = map(scale.apply, _read(clip, "float64"))
    return replace(source, blocks=blocks, note=join_notes(source.note, scale.note))


def _read_measurable(clip: soundfile.SoundFile) -> Iterator[npt.NDArray[Any]]:
    """Blocks up to where the stream is damaged."""
    with suppress(MediaInvalid):
        yield from _read(clip, "float64")


def join_notes(*notes: str | None) -> str | None:
    """Each of some notes once, in one line; None of none."""
    return "; ".join(dict.fromkeys(filter(None, notes))) or None


def _refuse(name: str | None) -> MediaInvalid:
    return MediaInvalid("unsupported", f"{name} is not read") if name else MediaInvalid("not_audio", "not audio")


def _check(source: Source) -> Source:
    if source.rate_hz not in _RATES_HZ or not 1 <= source.n_channels <= _MAX_CHANNELS:
        raise MediaInvalid("unsupported", f"unsupported: {source.n_channels} channels at {source.rate_hz} Hz")
    return source


def _read(clip: soundfile.SoundFile, dtype: str) -> Iterator[npt.NDArray[Any]]:
    n_block = round(BLOCK_S * clip.samplerate)
    while True:
        try:
            block = clip.read(n_block, dtype=dtype, always_2d=True)
        except soundfile.SoundFileError as error:
            raise MediaInvalid("truncated", "truncated or damaged audio") from error
        if not len(block):
            return
        yield block
