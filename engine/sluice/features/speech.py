"""Where in a clip people speak: Silero's voice activity detection, out of the extra ``speech``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from sluice.features import SAMPLE_RATE_HZ, Speech

MAX_SPEECH_S = 60.0
"""Of a clip; further speech is named in its status."""
_LEAST_S, _PAUSE_S, _MARGIN_S = 0.25, 0.5, 0.2
"""Shorter sounds are no speech; shorter pauses do not part two stretches; what is kept before and after each."""

FindSpeech = Callable[[npt.NDArray[np.float32]], Speech | None]


def find_speech(waveform: npt.NDArray[np.float32]) -> Speech | None:
    """The stretches of a clip in which somebody speaks, at most `MAX_SPEECH_S`; None if nobody does.

    Parameters
    ----------
    waveform : ndarray of float32, shape = (n,)
        16 kHz, in [-1, 1].
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        min_speech_duration_ms=round(1000 * _LEAST_S),
        min_silence_duration_ms=round(1000 * _PAUSE_S),
        speech_pad_ms=round(1000 * _MARGIN_S),
    )
    found = get_speech_timestamps(np.clip(waveform, -1, 1), options)
    return cut_speech(waveform, [(stretch["start"], stretch["end"]) for stretch in found])


def no_speech(waveform: npt.NDArray[np.float32]) -> None:
    """A `FindSpeech` that does not listen to a waveform, shape = (samples,)."""


def cut_speech(waveform: npt.NDArray[np.float32], stretches: Sequence[tuple[int, int]]) -> Speech | None:
    """The first `MAX_SPEECH_S` of some stretches, given by their first samples and those behind their last.

    Parameters
    ----------
    waveform : ndarray, shape = (samples,)
    """
    kept, room = [], round(MAX_SPEECH_S * SAMPLE_RATE_HZ)
    for start, end in stretches:
        length = min(end - start, room)
        if length > 0:
            kept.append((start, start + length))
            room -= length
    if not kept:
        return None
    samples = np.concatenate([waveform[start:end] for start, end in kept])
    n_left_out = sum(end - start for start, end in stretches) - len(samples)
    return Speech(
        np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16),
        tuple((start / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ) for start, end in kept),
        n_left_out / SAMPLE_RATE_HZ,
    )
