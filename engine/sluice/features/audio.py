"""A clip to rows of log-mel energies: decoded block by block, mono, 16 kHz, cut into windows."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.sparse
import soundfile
import soxr

from sluice.contract import MAX_AUDIO_ROWS
from sluice.errors import MediaInvalid
from sluice.features import HOP_S, N_FRAMES, N_MELS, SAMPLE_RATE_HZ, WINDOW_S, AudioRow, Features
from sluice.features.mel import mel_filters

_BEGINNING = re.compile(rb"RIFF|RIFX|RF64|fLaC|OggS|ID3|\xff[\xe0-\xff]")
"""How WAV, FLAC and Ogg files begin, and MP3 with a tag or with its first frame's eleven set bits."""

N_FFT = 1024  # 64 ms: resolves the harmonics of a voice
HOP_SAMPLES = round(HOP_S * SAMPLE_RATE_HZ)
WINDOW_SAMPLES = round(WINDOW_S * SAMPLE_RATE_HZ)
F_MIN_HZ, F_MAX_HZ = 50.0, 8_000.0
WINDOW_HOP_S = 3.0
"""From the start of a window to the next: a sound of up to a second is whole in at least one."""
MAX_WINDOWS = MAX_AUDIO_ROWS
MAX_READ_S = (MAX_WINDOWS - 1) * WINDOW_HOP_S + WINDOW_S  # 121 s
RANGE_DB = 80.0
SILENCE_DBFS = -70.0

_RATES_HZ = range(1_000, 384_001)
_MAX_CHANNELS = 16
_BLOCK_S = 1.0
_WINDOW_HOP_SAMPLES = round(WINDOW_HOP_S * SAMPLE_RATE_HZ)
_MAX_SAMPLES = round(MAX_READ_S * SAMPLE_RATE_HZ)
_QUIET_POWER = 1e-3
"""Mel power of a sine of about -60 dBFS: a window without anything louder stays dark, not amplified noise."""
_MISSING_SHARE = 0.02  # encoders' delay and padding make a header's length slightly wrong
_UNKNOWN_FRAMES = 2**62  # libsndfile's answer for a FLAC written to a pipe is the largest integer

Float32 = npt.NDArray[np.float32]


def extract_audio(content: bytes) -> Features[AudioRow]:
    """Decode a clip and cut it into windows.

    Parameters
    ----------
    content : bytes
        WAV, FLAC, Ogg or MP3, or another format that libsndfile reads.

    Returns
    -------
    Features[AudioRow]
        A row of `WINDOW_S` seconds every `WINDOW_HOP_S`, the last one padded; `partial` says how much of a clip
        longer than `MAX_READ_S` was read: its start.

    Raises
    ------
    MediaInvalid
        ``not_audio``, ``empty``, ``truncated``, ``unsupported`` (rate or channels), ``not_finite`` or ``silent``.
    """
    _check_riff(content)
    with _open(content) as clip:
        waveform = _resample(clip)
        _check_waveform(waveform)
        return Features(tuple(_cut_windows(waveform)), _describe_rest(clip, len(waveform)))


def log_mel(waveform: Float32) -> Float32:
    """Log-mel energies of one window.

    Computed as `librosa.feature.melspectrogram` and `librosa.power_to_db` do.

    Parameters
    ----------
    waveform : ndarray of float32, shape = (n,)
        16 kHz, in [-1, 1]; cropped or padded with silence to `WINDOW_S`.

    Returns
    -------
    ndarray of float32, shape = (N_MELS, N_FRAMES)
        -1 at 80 dB below the window's loudest energy, 1 at the loudest.
    """
    padded = np.zeros(WINDOW_SAMPLES + N_FFT, dtype=np.float32)
    kept = waveform[:WINDOW_SAMPLES]
    padded[N_FFT // 2 : N_FFT // 2 + len(kept)] = kept
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_SAMPLES][:N_FRAMES]
    filters, taper = _load_filters()
    spectrum = scipy.fft.rfft(frames * taper, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    mel: Float32 = filters @ power.T
    return _scale(mel)


def warm_up() -> None:
    """Compute one window, so that the first clip does not wait for the filters."""
    log_mel(np.zeros(WINDOW_SAMPLES, dtype=np.float32))


def _scale(mel: Float32) -> Float32:
    loudest = max(float(mel.max()), _QUIET_POWER)
    decibels = 10.0 * np.log10(np.maximum(mel / loudest, 10.0 ** (-RANGE_DB / 10.0)))
    scaled: Float32 = np.clip(decibels / (RANGE_DB / 2.0) + 1.0, -1.0, 1.0).astype(np.float32)
    return scaled


@lru_cache(maxsize=1)
def _load_filters() -> tuple[scipy.sparse.csr_array, Float32]:
    """Mel filters, shape = (N_MELS, 1 + N_FFT // 2), and the Hann window, shape = (N_FFT,)."""
    filters = mel_filters(SAMPLE_RATE_HZ, N_FFT, N_MELS, F_MIN_HZ, F_MAX_HZ)
    taper = np.hanning(N_FFT + 1)[:-1]  # periodic, as librosa's
    # Sparse: 1 in 30 is not zero, and a dense product would wake the threads of BLAS for half a millisecond of work.
    return scipy.sparse.csr_array(filters, dtype=np.float32), taper.astype(np.float32)


def _check_riff(content: bytes) -> None:
    """Libsndfile reads a WAV that was cut off as if it were just shorter; its header knows better."""
    declared = int.from_bytes(content[4:8], "little") + 8
    is_stream = declared >= 2**31 - 2**16  # written to a pipe, the length unknown
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE" and len(content) < declared - 1 and not is_stream:
        raise MediaInvalid("truncated", f"truncated: {len(content)} of {declared} bytes")


def _open(content: bytes) -> soundfile.SoundFile:
    if not _BEGINNING.match(content):  # libsndfile would try all the formats it knows, decoders of odd ones included
        raise MediaInvalid("not_audio", "not audio")
    try:
        clip = soundfile.SoundFile(io.BytesIO(content))
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:
        raise MediaInvalid("not_audio", "not audio") from error
    if clip.samplerate not in _RATES_HZ or not 1 <= clip.channels <= _MAX_CHANNELS:
        raise MediaInvalid("unsupported", f"unsupported: {clip.channels} channels at {clip.samplerate} Hz")
    return clip


def _resample(clip: soundfile.SoundFile) -> Float32:
    """At most `MAX_READ_S` of the clip, mono, 16 kHz."""
    stream = soxr.ResampleStream(clip.samplerate, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
    blocks: list[Float32] = []
    n_read = 0
    for block in _read_blocks(clip):
        blocks.append(stream.resample_chunk(block))
        n_read += len(block)
        if n_read > (MAX_READ_S + _BLOCK_S) * clip.samplerate:  # a block more: the resampler holds some back
            return np.concatenate(blocks)[:_MAX_SAMPLES]
    _check_length(clip, n_read)
    blocks.append(stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
    return np.concatenate(blocks)[:_MAX_SAMPLES]


def _read_blocks(clip: soundfile.SoundFile) -> Iterator[Float32]:
    n_block = round(_BLOCK_S * clip.samplerate)
    while True:
        try:
            block = clip.read(n_block, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise MediaInvalid("truncated", "truncated or damaged audio") from error
        if not len(block):
            return
        if not np.isfinite(block).all():
            raise MediaInvalid("not_finite", "samples that are not numbers")
        yield block.mean(axis=1)


def _check_length(clip: soundfile.SoundFile, n_read: int) -> None:
    """The clip has ended: raise if its header promised clearly more."""
    n_missing = clip.frames - n_read
    if (
        clip.frames < _UNKNOWN_FRAMES
        and n_missing > clip.samplerate * _BLOCK_S
        and n_missing > clip.frames * _MISSING_SHARE
    ):
        raise MediaInvalid("truncated", f"truncated: {n_missing} of {clip.frames} samples are missing")


def _check_waveform(waveform: Float32) -> None:
    if not len(waveform):
        raise MediaInvalid("empty", "empty: no samples")
    peak = float(np.abs(waveform).max())
    if peak < 10.0 ** (SILENCE_DBFS / 20.0):
        raise MediaInvalid("silent", f"silent: nothing above {SILENCE_DBFS:.0f} dBFS")


def _cut_windows(waveform: Float32) -> Iterator[AudioRow]:
    n_windows = 1 + max(0, -(-(len(waveform) - WINDOW_SAMPLES) // _WINDOW_HOP_SAMPLES))
    for start in range(0, n_windows * _WINDOW_HOP_SAMPLES, _WINDOW_HOP_SAMPLES):
        stop = min(start + WINDOW_SAMPLES, len(waveform))
        yield AudioRow(log_mel(waveform[start:stop]), start / SAMPLE_RATE_HZ, stop / SAMPLE_RATE_HZ)


def _describe_rest(clip: soundfile.SoundFile, n_samples: int) -> str | None:
    if n_samples < _MAX_SAMPLES or clip.frames <= MAX_READ_S * clip.samplerate:
        return None
    length = f"{clip.frames / clip.samplerate:.0f} s" if clip.frames < _UNKNOWN_FRAMES else "an unknown length"
    return f"{MAX_READ_S:.0f} s of {length} read"
