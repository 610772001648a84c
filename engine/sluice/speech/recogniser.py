"""Whisper on the CPU: samples to segments. Runs in a child process alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel

from sluice.speech.transcript import MAX_LETTERS, Segment

LEAST_LOG_PROBABILITY = -1.25
"""Of a segment's tokens on average: below, they are guesses. Single words reach -1.1."""
MOST_REPEATED = 2.4
"""Whisper's own limit of how well a segment may be compressed: above, it repeats itself."""


class Recogniser:
    """Whisper with eight-bit weights, on one thread; the language is told by the model.

    Parameters
    ----------
    folder : Path
        See `prepare_weights`.
    """

    def __init__(self, folder: Path) -> None:
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1)

    def transcribe(self, samples: npt.NDArray[np.int16]) -> list[Segment]:
        """What is said.

        Greedy and once: a second try at a higher temperature would cost as much again, and what it makes up is no
        better than nothing.

        Parameters
        ----------
        samples : ndarray of int16, shape = (n,)
            16 kHz.
        """
        sound = samples.astype(np.float32) / 32768
        found, _ = self._model.transcribe(
            sound, beam_size=1, temperature=0.0, condition_on_previous_text=False, vad_filter=False
        )
        return list(_read(found))


def _read(found: Any) -> Iterator[Segment]:
    for segment in found:
        clear = segment.avg_logprob >= LEAST_LOG_PROBABILITY and segment.compression_ratio <= MOST_REPEATED
        text = segment.text.strip()[:MAX_LETTERS] if clear else ""
        yield Segment(text, max(0.0, segment.start), max(0.0, segment.start, segment.end))
