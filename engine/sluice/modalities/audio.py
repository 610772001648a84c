"""Audio clips: fetched by reference, cut into windows, their evidence time ranges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sluice.contract import AUDIO_ENCODER, LABELS, MAX_AUDIO, MODALITIES, ModelSpec
from sluice.features import WINDOW_S, AudioRow, Features
from sluice.features.audio import extract_audio
from sluice.inference import Arrays
from sluice.modalities.base import AnyModality, Part
from sluice.modalities.extraction import Runner
from sluice.modalities.marks import Floats, find_runs
from sluice.modalities.media import MediaModality, MediaSource
from sluice.schema import AudioEvidence, Media, Post


class AudioModality(MediaModality[AudioRow]):
    """The post's clips.

    Parameters
    ----------
    speech : Modality or None
        What scores the speech in them; None where it is not transcribed. See `MediaModality` for the others.
    """

    name = "audio"
    model = AUDIO_ENCODER
    kind = MODALITIES.index("audio")
    n_read = MAX_AUDIO
    plural = "clips"

    def __init__(
        self,
        media: MediaSource,
        run: Runner,
        decode: Callable[[bytes], Features[AudioRow]] = extract_audio,
        speech: AnyModality | None = None,
    ) -> None:
        super().__init__(media, run, decode)
        self._speech = speech

    def media_of(self, post: Post) -> Sequence[Media]:
        """See `MediaModality.media_of`."""
        return post.audio

    def found_in(self, part: Part, features: Features[AudioRow]) -> Part | None:
        """The speech in the clip, if somebody speaks."""
        if self._speech is None or features.speech is None:
            return None
        return Part(self._speech, part.name, features.speech, part.index)

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """See `Modality.models`."""
        return (self.model, *(self._speech.models if self._speech else ()))

    def keep(self, row: AudioRow) -> AudioRow:
        """See `Modality.keep`: the times."""
        return replace(row, log_mel=row.log_mel[:, :0].copy())

    def evidence(
        self, part: Part, rows: Sequence[AudioRow], outputs: Sequence[Arrays], label: str
    ) -> tuple[AudioEvidence, ...]:
        """When in the clip the label is heard."""
        frame_scores = [row[self.model.evidence.name][LABELS.index(label)] for row in outputs]
        return find_ranges(part.index, rows, frame_scores)


def find_ranges(index: int, rows: Sequence[AudioRow], frame_scores: Sequence[Floats]) -> tuple[AudioEvidence, ...]:
    """Time ranges of a clip, in order; windows that overlap give one range.

    Parameters
    ----------
    frame_scores : sequence of ndarray, shape = (t,)
        One label's score per frame per row, in [0, 1]; `t` frames span a whole window.
    """
    n_frames = len(frame_scores[0])
    frame_s = WINDOW_S / n_frames
    starts = np.concatenate([row.start_s + frame_s * np.arange(n_frames) for row in rows])
    clip_ends = np.repeat([row.end_s for row in rows], n_frames)
    ends = np.minimum(starts + frame_s, clip_ends)
    runs = find_runs(starts, ends, np.concatenate(frame_scores), gap=frame_s / 2)
    return tuple(AudioEvidence(index, round(start, 2), round(end, 2)) for start, end in runs)
