"""Clips: the encoder's scores per frame become time ranges."""

import numpy as np
import pytest

from sluice.features import N_FRAMES, N_MELS, AudioRow
from sluice.modalities.audio import find_ranges
from sluice.schema import AudioEvidence


def audio_row(start_s: float, end_s: float) -> AudioRow:
    return AudioRow(np.zeros((N_MELS, N_FRAMES), np.float32), start_s, end_s)


def test_frames_become_seconds_of_the_clip() -> None:
    scores = np.zeros(50)
    scores[10:20] = 0.9
    assert find_ranges(2, [audio_row(3.0, 7.0)], [scores]) == (AudioEvidence(2, 3.8, 4.6),)


def test_padding_behind_the_end_of_a_clip_is_no_evidence() -> None:
    (item,) = find_ranges(0, [audio_row(0.0, 1.0)], [np.full(50, 0.9)])
    assert (item.start_s, item.end_s) == (0.0, 1.0)


def test_windows_of_a_clip_that_overlap_give_one_range() -> None:
    first, second = np.zeros(50), np.zeros(50)
    first[40:], second[:15] = 0.9, 0.9
    (item,) = find_ranges(0, [audio_row(0.0, 4.0), audio_row(3.0, 7.0)], [first, second])
    assert item.start_s == pytest.approx(3.0, abs=0.25)
    assert item.end_s == pytest.approx(4.2)
