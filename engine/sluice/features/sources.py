"""A clip's bytes to blocks of samples, whatever container and codec they came in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from sluice.errors import MediaInvalid
from sluice.features import mpeg, ogg, riff, voice_notes
from sluice.features.sniffing import name_of, strip_leading

Float32 = npt.NDArray[np.float32]

BLOCK_S = 1.0
_RATES_HZ = range(1_000, 384_001)
_MAX_CHANNELS = 16
_MAX_LINKS = 256
_UNKNOWN_FRAMES = 2**62  # libsndfile's answer for a FLAC written to a pipe is the largest integer
_FLOATS = {"FLOAT", "DOUBLE"}
_LOUD = 8.0
"""Float samples belong in [-1, 1], and a mix may overshoot; beyond this they use a scale of their own."""


@dataclass(frozen=True, slots=True)
class Source:
    """One stream of samples.

    Attributes
    ----------
    n_samples : int or None
        By the file's word, per channel; None if it does not say.
    blocks : iterator of ndarray of float32, shape = (samples, n_channels)
        About `BLOCK_S` each; raises `MediaInvalid` (``truncated``) where the stream is damaged.
    """

    rate_hz: int
    n_channels: int
    n_samples: int | None
    blocks: Iterator[Float32]


def open_sources(content: bytes, max_s: float) -> tuple[list[Source], str | None]:
    """The streams of a clip, to be heard one after another, and what its header says is missing.

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
        return [_check(Source(*voice_notes.open_stream(content, name)))], None
    if name is None and (start := mpeg.find_frames(content)) is not None:
        name, content = "MP3", content[start:]
    if name == "MP3":
        segments = mpeg.split_segments(content, max_s)[:_MAX_LINKS]
        return [_open(each.content, name, each.is_counted) for each in segments], None
    if name == "Ogg":
        return [_open(link, name) for link in ogg.split_links(content)[:_MAX_LINKS]], None
    content, cut = riff.repair_sizes(content)
    return [_open(content, name)], cut


def _open(content: bytes, name: str | None, is_counted: bool = True) -> Source:
    if name not in {"WAV", "FLAC", "Ogg", "MP3"}:  # libsndfile would try decoders of odd formats too
        raise _refuse(name)
    try:
        clip = soundfile.SoundFile(io.BytesIO(content))
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:
        raise MediaInvalid("not_audio", "not audio") from error
    n_samples = clip.frames if is_counted and clip.frames < _UNKNOWN_FRAMES else None
    return _check(Source(clip.samplerate, clip.channels, n_samples, _read_blocks(clip)))


def _refuse(name: str | None) -> MediaInvalid:
    return MediaInvalid("unsupported", f"{name} is not read") if name else MediaInvalid("not_audio", "not audio")


def _check(source: Source) -> Source:
    if source.rate_hz not in _RATES_HZ or not 1 <= source.n_channels <= _MAX_CHANNELS:
        raise MediaInvalid("unsupported", f"unsupported: {source.n_channels} channels at {source.rate_hz} Hz")
    return source


def _read_blocks(clip: soundfile.SoundFile) -> Iterator[Float32]:
    gain = _find_gain(clip)
    dtype = "float64" if clip.subtype == "DOUBLE" or gain != 1.0 else "float32"
    for block in _read(clip, dtype):
        with np.errstate(over="ignore", invalid="ignore"):
            yield (block if gain == 1.0 else block * gain).astype(np.float32, copy=False)


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


def _find_gain(clip: soundfile.SoundFile) -> float:
    """What brings float samples on a scale of their own into [-1, 1]; 1 for all others."""
    if clip.subtype not in _FLOATS:
        return 1.0
    peak = max((_finite_peak(block) for block in _read(clip, "float64")), default=0.0)
    clip.seek(0)
    return 1.0 / peak if peak > _LOUD else 1.0


def _finite_peak(block: npt.NDArray[Any]) -> float:
    return float(np.abs(block[np.isfinite(block)]).max(initial=0.0))
