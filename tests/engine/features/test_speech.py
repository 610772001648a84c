"""Where people speak in a clip, and what is kept of it."""

import numpy as np
import pytest

from sluice.features import SAMPLE_RATE_HZ, Speech
from sluice.features.audio import extract_audio, extract_audio_and_speech
from sluice.features.speech import MAX_SPEECH_S, cut_speech, find_speech
from tests.components import require_module
from tests.engine.features.clips import encode, play_tone
from tests.engine.speech.spoken import TRAIN, speak


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)


def test_a_sentence_is_found_where_it_is_spoken() -> None:
    require_module("faster_whisper")
    sentence = speak(TRAIN)
    speech = find_speech(np.concatenate([silence(3), sentence, silence(2)]))
    assert speech is not None
    ((start_s, end_s),) = speech.stretches
    assert 2.5 < start_s < 3.5
    assert start_s + len(sentence) / SAMPLE_RATE_HZ * 0.7 < end_s < 3.5 + len(sentence) / SAMPLE_RATE_HZ
    assert speech.left_out_s == 0


def test_a_tone_and_silence_are_no_speech() -> None:
    require_module("faster_whisper")
    tone = np.sin(np.arange(3 * SAMPLE_RATE_HZ) * 0.1).astype(np.float32) * 0.3
    assert find_speech(tone) is None
    assert find_speech(silence(2)) is None


def test_stretches_are_put_one_after_the_other_and_found_again() -> None:
    waveform = np.linspace(-1, 1, 10 * SAMPLE_RATE_HZ).astype(np.float32)
    stretches = [(SAMPLE_RATE_HZ, 3 * SAMPLE_RATE_HZ), (6 * SAMPLE_RATE_HZ, 7 * SAMPLE_RATE_HZ)]
    speech = cut_speech(waveform, stretches)
    assert speech is not None
    assert len(speech.samples) == 3 * SAMPLE_RATE_HZ
    assert speech.stretches == ((1.0, 3.0), (6.0, 7.0))
    assert speech.places(0.0, 1.5) == [(1.0, 2.5)]
    assert speech.places(1.5, 2.5) == [(2.5, 3.0), (6.0, 6.5)]
    assert speech.places(2.5, 99.0) == [(6.5, 7.0)]
    expected = np.concatenate([waveform[start:end] for start, end in stretches])
    assert np.abs(speech.samples / 32767 - expected).max() < 1e-4


def test_more_speech_than_is_read_is_counted() -> None:
    n_samples = round((MAX_SPEECH_S + 15) * SAMPLE_RATE_HZ)
    speech = cut_speech(np.zeros(n_samples, np.float32), [(0, n_samples - 160_000), (n_samples - 80_000, n_samples)])
    assert speech is not None
    assert len(speech.samples) == MAX_SPEECH_S * SAMPLE_RATE_HZ
    assert speech.left_out_s == pytest.approx(10.0)


def test_a_second_behind_all_speech_is_nowhere() -> None:
    assert Speech(np.zeros(16_000, np.int16), ((2.0, 3.0),)).places(1.5, 2.0) == []


def test_rows_are_the_same_with_and_without_listening() -> None:
    require_module("faster_whisper")
    content = encode(play_tone(5.0))
    plain, listened = extract_audio(content), extract_audio_and_speech(content)
    assert plain.speech is None
    assert listened.speech is None
    for row, other in zip(plain.rows, listened.rows, strict=True):
        assert np.array_equal(row.log_mel, other.log_mel)
