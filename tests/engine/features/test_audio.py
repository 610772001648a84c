import io
import subprocess
import sys

import librosa
import numpy as np
import psutil
import pytest
import soundfile

from sluice.errors import MediaInvalid
from sluice.features import N_FRAMES, N_MELS, SAMPLE_RATE_HZ, WINDOW_S
from sluice.features.audio import (
    F_MAX_HZ,
    F_MIN_HZ,
    HOP_SAMPLES,
    MAX_READ_S,
    MAX_WINDOWS,
    N_FFT,
    RANGE_DB,
    WINDOW_HOP_S,
    WINDOW_SAMPLES,
    extract_audio,
    log_mel,
    warm_up,
)
from tests.engine.features.clips import FORMATS, encode, find_loudest_band, patch_wav, play_tone, refuse


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_every_format_and_rate_gives_the_same_tone(kind: str, rate_hz: int) -> None:
    features = extract_audio(encode(play_tone(2.0, rate_hz), rate_hz, kind))
    (row,) = features.rows
    assert row.log_mel.shape == (N_MELS, N_FRAMES)
    assert row.log_mel.dtype == np.float32
    assert (row.start_s, features.partial) == (0.0, None)
    assert row.end_s == pytest.approx(2.0, abs=0.15)  # MP3 pads
    reference = extract_audio(encode(play_tone(2.0))).rows[0]
    assert find_loudest_band(row) == find_loudest_band(reference)
    assert np.all(row.log_mel[:, 120:] == -1.0)  # padding is dark


def test_a_higher_tone_lies_in_a_higher_band() -> None:
    low, high = (extract_audio(encode(play_tone(2.0, pitch_hz=pitch))).rows[0] for pitch in (300.0, 3_000.0))
    assert find_loudest_band(low) < find_loudest_band(high)


@pytest.mark.no_cover  # librosa compiles itself, ten times as long while lines are counted
def test_log_mel_is_librosas() -> None:
    waveform = np.random.default_rng(0).normal(0.0, 0.1, WINDOW_SAMPLES).astype(np.float32)
    mel = librosa.feature.melspectrogram(
        y=waveform, sr=SAMPLE_RATE_HZ, n_fft=N_FFT, hop_length=HOP_SAMPLES, n_mels=N_MELS, fmin=F_MIN_HZ, fmax=F_MAX_HZ
    )[:, :N_FRAMES]
    decibels = librosa.power_to_db(mel, ref=np.max, top_db=RANGE_DB)
    np.testing.assert_allclose(log_mel(waveform), decibels / (RANGE_DB / 2) + 1.0, atol=1e-5)


def test_log_mel_spans_minus_one_to_one() -> None:
    burst = np.zeros(WINDOW_SAMPLES, dtype=np.float32)
    burst[20_000:24_000] = play_tone(0.25)
    energies = log_mel(burst)
    assert energies.max() == 1.0
    assert energies.min() == -1.0
    assert np.all(energies[:, :50] == -1.0)


def test_log_mel_pads_and_crops() -> None:
    tone = play_tone(6.0)
    assert np.array_equal(log_mel(tone), log_mel(tone[:WINDOW_SAMPLES]))
    assert log_mel(tone[:10]).shape == log_mel(tone[:0]).shape == (N_MELS, N_FRAMES)


def test_log_mel_does_not_depend_on_loudness_unless_it_is_next_to_silence() -> None:
    tone = play_tone(4.0)
    np.testing.assert_allclose(log_mel(tone), log_mel(tone / 8), atol=1e-4)
    assert log_mel(tone * 1e-5).max() < 0.0
    assert np.all(log_mel(tone * 0) == -1.0)


@pytest.mark.parametrize(("length_s", "n_rows"), [(0.01, 1), (4.0, 1), (4.1, 2), (7.0, 2), (7.1, 3), (60.0, 20)])
def test_long_clips_are_cut_into_overlapping_windows(length_s: float, n_rows: int) -> None:
    features = extract_audio(encode(play_tone(length_s)))
    assert features.partial is None
    assert [row.start_s for row in features.rows] == [index * WINDOW_HOP_S for index in range(n_rows)]
    assert all(row.end_s == row.start_s + WINDOW_S for row in features.rows[:-1])
    assert features.rows[-1].end_s == pytest.approx(length_s)


def test_a_window_holds_its_part() -> None:
    clip = np.concatenate([play_tone(3.0, pitch_hz=300.0), play_tone(4.0, pitch_hz=3_000.0)])
    low, high = extract_audio(encode(clip)).rows
    assert find_loudest_band(low) < find_loudest_band(high)
    assert np.all(low.log_mel[find_loudest_band(high), 160:] > low.log_mel[find_loudest_band(high), :140].max())


@pytest.mark.parametrize("kind", FORMATS)
def test_of_a_very_long_clip_the_start_is_read(kind: str) -> None:
    features = extract_audio(encode(play_tone(200.0, 8_000), 8_000, kind))
    assert features.partial == "121 s of 200 s read"
    assert len(features.rows) == MAX_WINDOWS
    assert features.rows[-1].end_s == MAX_READ_S == 121.0


def test_an_hour_is_not_decoded_whole() -> None:
    hour = io.BytesIO()
    with soundfile.SoundFile(hour, "w", 8_000, 1, format="FLAC") as clip:
        for _ in range(360):
            clip.write(play_tone(10.0, 8_000))
    before = psutil.Process().memory_info().rss
    assert extract_audio(hour.getvalue()).partial == "121 s of 3600 s read"
    assert psutil.Process().memory_info().rss - before < 80 * 2**20  # decoded it has 230 MB


@pytest.mark.parametrize(
    "content", [b"", b"no audio" * 99, b"RIFF", b"OggS" + bytes(99), b"fLaC" + bytes(99), b"\xff\xfb"]
)
def test_other_bytes_are_no_audio(content: bytes) -> None:
    assert refuse(content) == "not_audio"


def test_no_samples_are_empty() -> None:
    assert refuse(encode(np.zeros(0, dtype=np.float32))) == "empty"


@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_silence_is_refused(level: float) -> None:
    assert refuse(encode(play_tone(2.0, level=level), subtype="FLOAT")) == "silent"


def test_a_whisper_is_not_silence() -> None:
    assert len(extract_audio(encode(play_tone(2.0, level=1e-3), subtype="FLOAT")).rows) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_passed_over(value: float) -> None:
    waveform = play_tone(3.0)
    waveform[-5] = value
    features = extract_audio(encode(waveform, subtype="FLOAT"))
    assert features.partial is None
    assert find_loudest_band(features.rows[0]) == find_loudest_band(extract_audio(encode(play_tone(3.0))).rows[0])


def test_samples_that_are_no_numbers_are_counted_or_refused() -> None:
    waveform = play_tone(3.0)
    waveform[: len(waveform) // 2] = np.nan
    assert extract_audio(encode(waveform, subtype="FLOAT")).partial == "50% of the samples are not numbers"
    assert refuse(encode(np.full(9_000, np.nan, np.float32), subtype="FLOAT")) == "not_finite"


@pytest.mark.parametrize("scale", [1e30, 3e38, 32_768.0])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_of_any_scale_are_brought_to_one(scale: float, subtype: str) -> None:
    plain = extract_audio(encode(play_tone(2.0), subtype=subtype)).rows[0]
    loud = extract_audio(encode(play_tone(2.0).astype(np.float64) * scale, subtype=subtype)).rows[0]
    np.testing.assert_allclose(loud.log_mel, plain.log_mel, atol=0.01)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3"])
def test_of_a_truncated_clip_what_is_there_is_read(kind: str) -> None:
    content = encode(np.random.default_rng(0).normal(0, 0.1, 80_000).astype(np.float32), kind=kind)
    features = extract_audio(content[: len(content) // 2])
    assert features.partial is not None
    assert features.rows[-1].end_s > 1.5


def find_size(content: bytes) -> int:
    return content.index(b"data") + 4


@pytest.mark.parametrize(
    ("riff", "data"), [(8, 0), (-36, None), (None, -40_000), (0, 0), (2**32 - 1, 2**32 - 1), (None, 0), (2**20, None)]
)
def test_wrong_sizes_of_a_wav_do_not_matter(riff: int | None, data: int | None) -> None:
    plain = encode(play_tone(2.0))
    content, place = plain, find_size(plain)
    if riff is not None:
        size = int.from_bytes(plain[4:8], "little") + riff if 0 < abs(riff) < 2**31 else riff
        content = patch_wav(content, 4, "<I", size)
    if data is not None:
        size = int.from_bytes(plain[place : place + 4], "little") + data if data < 0 else data
        content = patch_wav(content, place, "<I", size)
    assert np.array_equal(extract_audio(content).rows[0].log_mel, extract_audio(plain).rows[0].log_mel)
    assert extract_audio(content).partial is None


def test_joined_mp3_files_are_heard_to_their_end() -> None:
    low, high = play_tone(4.0, pitch_hz=300.0), play_tone(4.0, 22_050, pitch_hz=3_000.0)
    first, *_, last = extract_audio(encode(low, kind="MP3") + encode(high, 22_050, "MP3")).rows
    assert last.end_s == pytest.approx(8.0, abs=0.3)
    assert find_loudest_band(first) < find_loudest_band(last)


def test_chained_ogg_files_are_heard_to_their_end() -> None:
    low, high = play_tone(4.0, pitch_hz=300.0), play_tone(4.0, 22_050, pitch_hz=3_000.0)
    first, *_, last = extract_audio(encode(low, kind="OGG") + encode(high, 22_050, "OGG")).rows
    assert last.end_s == pytest.approx(8.0, abs=0.3)
    assert find_loudest_band(first) < find_loudest_band(last)


def test_a_header_that_counts_too_few_frames_is_not_believed() -> None:
    content = bytearray(encode(play_tone(9.0), kind="MP3"))
    place = max(content.find(b"Xing"), content.find(b"Info"))
    content[place + 8 : place + 12] = (20).to_bytes(4, "big")
    assert extract_audio(bytes(content)).rows[-1].end_s == pytest.approx(9.0, abs=0.3)


def test_an_mp3_of_varying_frames_without_a_count_is_heard_to_its_end() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 9 * SAMPLE_RATE_HZ).astype(np.float32)
    content = encode(np.concatenate([play_tone(9.0, level=0.01), noise]), kind="MP3")
    place = max(content.find(b"Xing"), content.find(b"Info"))
    features = extract_audio(content.replace(content[place : place + 4], b"\0\0\0\0", 1))
    assert features.rows[-1].end_s == pytest.approx(18.0, abs=0.3)
    assert features.partial is None


@pytest.mark.parametrize("before", [bytes(512), b"\xef\xbb\xbf", b"\r\n", b"some words of a server\n" * 9])
@pytest.mark.parametrize("kind", FORMATS)
def test_bytes_before_a_clip_are_passed_over(before: bytes, kind: str) -> None:
    assert extract_audio(before + encode(play_tone(2.0), kind=kind)).rows[0].end_s == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFFF])
def test_a_wav_written_to_a_pipe_is_read(size: int) -> None:
    content = patch_wav(encode(play_tone(1.0)), 4, "<I", size)
    assert len(extract_audio(content).rows) == 1


def test_a_flac_of_unknown_length_is_read() -> None:
    content = bytearray(encode(play_tone(130.0, 8_000), 8_000, "FLAC"))
    content[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples
    content[22:26] = bytes(4)
    assert extract_audio(bytes(content)).partial == "121 s of 130 s read"


@pytest.mark.parametrize("rate_hz", [1, 999, 400_000, 2**31 - 1])
def test_absurd_rates_are_refused(rate_hz: int) -> None:
    assert refuse(patch_wav(encode(play_tone(0.5)), 24, "<I", rate_hz)) in {"unsupported", "not_audio"}


def test_absurd_channel_counts_are_refused() -> None:
    assert refuse(encode(np.zeros((100, 17), dtype=np.float32))) == "unsupported"


def test_warming_up_leaves_a_worker_room() -> None:
    script = (
        "import psutil, sys, sluice.features.audio as subject\n"
        "subject.warm_up(); assert not {'librosa', 'numba'} & set(sys.modules)\n"
        "print(psutil.Process().memory_info().rss)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 120 * 2**20


def test_warming_up_twice_is_harmless() -> None:
    warm_up()
    warm_up()


@pytest.mark.parametrize(
    ("content", "name"), [(b"MThd" + bytes(99), "MIDI"), (b"%PDF-1.7", "PDF"), (b".snd" + bytes(99), "AU")]
)
def test_what_is_not_read_is_named(content: bytes, name: str) -> None:
    with pytest.raises(MediaInvalid, match=f"{name} is not read"):
        extract_audio(content)
