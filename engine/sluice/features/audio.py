"""A clip to rows of log-mel energies: decoded block by block, mono, 16 kHz, cut into windows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from operator import itemgetter

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.sparse
import soxr

from sluice.contract import MAX_AUDIO_ROWS
from sluice.errors import MediaInvalid
from sluice.features import HOP_S, N_FRAMES, N_MELS, SAMPLE_RATE_HZ, WINDOW_S, AudioRow, Features, Reserve, unlimited
from sluice.features.channels import find_residues, is_lost, mean_and_sides, split_mean
from sluice.features.mel import mel_filters
from sluice.features.sources import BLOCK_S, Source, join_notes, open_sources
from sluice.features.speech import FindSpeech, find_speech, no_speech

N_FFT = 1024  # 64 ms: resolves the harmonics of a voice
HOP_SAMPLES = round(HOP_S * SAMPLE_RATE_HZ)
WINDOW_SAMPLES = round(WINDOW_S * SAMPLE_RATE_HZ)
F_MIN_HZ, F_MAX_HZ = 50.0, 8_000.0
WINDOW_HOP_S = 3.0
"""From the start of a window to the next: a sound of up to a second is whole in at least one."""
MAX_WINDOWS = MAX_AUDIO_ROWS // 2
"""Each may have a second row, of what cancels between channels; in a short clip of many channels, two more."""
MAX_READ_S = (MAX_WINDOWS - 1) * WINDOW_HOP_S + WINDOW_S  # 121 s
RANGE_DB = 80.0
SILENCE_DBFS = -70.0

_WINDOW_HOP_SAMPLES = round(WINDOW_HOP_S * SAMPLE_RATE_HZ)
_MAX_SAMPLES = round(MAX_READ_S * SAMPLE_RATE_HZ)
_QUIET_POWER = 1e-3
"""Mel power of a sine of about -60 dBFS: a window without anything louder stays dark, not amplified noise."""
_FRAMES_AT_ONCE = 40
"""So many spectra stay in a processor's cache while they are made; a multiple of eight, which it makes side by side."""
_MISSING_SHARE = 0.02  # encoders' delay and padding make a header's length slightly wrong
_MAX_STRANGE_SHARE = 0.01
_CHANNEL_BYTES = _MAX_SAMPLES * 4 * 4
"""Of a channel: blocks, joined, carrying, less the mean; four bytes a sample."""
CUT_SHORT = "the clip is cut short"
MORE_CANCELS = "more cancels between channels than is listened to"

Float32 = npt.NDArray[np.float32]


def extract_audio(content: bytes, reserve: Reserve = unlimited) -> Features[AudioRow]:
    """Decode a clip and cut it into windows.

    Parameters
    ----------
    content : bytes
        WAV, FLAC, Ogg or MP3, also several joined into one; with the extra ``media`` also what phones record.
    reserve : callable
        Called with a number of bytes before so many are taken for samples.

    Returns
    -------
    Features[AudioRow]
        A row of `WINDOW_S` seconds every `WINDOW_HOP_S`, the last one padded; and more where channels cancel each
        other, of what their mean lacks: one of two channels, up to three of more, `MAX_AUDIO_ROWS` in all. `partial`
        says how much of a clip longer than `MAX_READ_S` was read, its start, and what is missing or not heard.

    Raises
    ------
    MediaInvalid
        ``not_audio``, ``empty``, ``truncated`` (nothing left to hear), ``unsupported`` (a known format that is not
        read, rate or channels), ``not_finite`` or ``silent``.
    """
    return _extract(content, reserve, no_speech)


def extract_audio_and_speech(content: bytes, reserve: Reserve = unlimited) -> Features[AudioRow]:
    """The same as `extract_audio`, with what is spoken in the mean of the channels; needs the extra ``speech``."""
    return _extract(content, reserve, find_speech)


def _extract(content: bytes, reserve: Reserve, listen: FindSpeech) -> Features[AudioRow]:
    streams = open_sources(content, MAX_READ_S + BLOCK_S)
    reserve(max(source.n_channels for source in streams) * _CHANNEL_BYTES)
    heard = _ClipReader()
    for source in streams:
        if not heard.is_full:
            heard.listen(source)
    mean, sides = heard.finish()
    rows = [*_cut_windows(mean), *_lost_windows(mean, sides)]
    _check_waveform(mean, rows)
    notes = [source.note for source in streams]
    more = MORE_CANCELS if len(rows) > MAX_AUDIO_ROWS else None
    partial = join_notes(*notes, heard.note, more, _describe_rest(streams, len(mean)))
    return Features(tuple(rows[:MAX_AUDIO_ROWS]), partial, speech=listen(mean))


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
    return _scale(_mel_power(waveform))


def _mel_power(waveform: Float32) -> Float32:
    padded = np.zeros(WINDOW_SAMPLES + N_FFT, dtype=np.float32)
    kept = waveform[:WINDOW_SAMPLES]
    padded[N_FFT // 2 : N_FFT // 2 + len(kept)] = kept
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_SAMPLES][:N_FRAMES]
    filters, taper = _load_filters()
    power = np.empty((1 + N_FFT // 2, N_FRAMES), np.float32)
    for start in range(0, N_FRAMES, _FRAMES_AT_ONCE):
        some = slice(start, start + _FRAMES_AT_ONCE)
        parts = scipy.fft.rfft(frames[some] * taper, axis=1).view(np.float32)  # real and imaginary ones in turn
        squares = np.square(parts, out=parts).T
        np.add(squares[::2], squares[1::2], out=power[:, some])
    mel: Float32 = filters @ power
    return mel


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


class _ClipReader:
    """What is heard of a clip's streams, one after another, at 16 kHz.

    Attributes
    ----------
    note : str or None
        What could not be heard.
    """

    def __init__(self) -> None:
        self.note: str | None = None
        self._means: list[Float32] = []
        self._sides: list[Float32] = []
        self._n_strange = self._n_read = 0

    @property
    def is_full(self) -> bool:
        """Whether no more is read."""
        return sum(map(len, self._means)) >= _MAX_SAMPLES

    def listen(self, source: Source) -> None:
        """Read a stream to its end or to the limit."""
        mean, sides = mean_and_sides(self._resample(source))
        self._means.append(mean)
        self._sides.append(sides)

    def finish(self) -> tuple[Float32, Float32]:
        """Of all streams the mean of the channels, and the sides of which it may lack something."""
        if self._n_strange > _MAX_STRANGE_SHARE * self._n_read:
            self._note_strange()
        n_sides = max(sides.shape[1] for sides in self._sides)
        padded = [np.pad(sides, ((0, 0), (0, n_sides - sides.shape[1]))) for sides in self._sides]
        return np.concatenate(self._means)[:_MAX_SAMPLES], np.concatenate(padded)[:_MAX_SAMPLES]

    def _note_strange(self) -> None:
        if self._n_strange == self._n_read:
            raise MediaInvalid("not_finite", "samples that are not numbers")
        self.note = f"{self._n_strange / self._n_read:.0%} of the samples are not numbers"

    def _resample(self, source: Source) -> Float32:
        """At most `MAX_READ_S` of a stream, shape = (samples, channels)."""
        stream = soxr.ResampleStream(source.rate_hz, SAMPLE_RATE_HZ, source.n_channels, dtype="float32", quality="HQ")
        blocks, n_read = [np.zeros((0, source.n_channels), np.float32)], 0
        for block in self._read(source):
            blocks.append(stream.resample_chunk(split_mean(block)).reshape(-1, source.n_channels))
            n_read += len(block)
            if n_read > (MAX_READ_S + BLOCK_S) * source.rate_hz:  # a block more: the resampler holds some back
                return np.concatenate(blocks)
        self._check_length(source, n_read)
        end = np.zeros((0, source.n_channels), np.float32)
        blocks.append(stream.resample_chunk(end, last=True).reshape(-1, source.n_channels))
        return np.concatenate(blocks)

    def _read(self, source: Source) -> Iterator[Float32]:
        """Blocks with silence for what is no number, up to where the stream is damaged."""
        try:
            for block in source.blocks:
                self._n_read += block.size
                yield self._without_strange(block)
        except MediaInvalid:
            self.note = CUT_SHORT

    def _without_strange(self, block: Float32) -> Float32:
        is_number = np.isfinite(block)
        if is_number.all():
            return block
        self._n_strange += int(block.size - is_number.sum())
        return np.where(is_number, block, np.float32(0.0))

    def _check_length(self, source: Source, n_read: int) -> None:
        """The stream has ended: note if its header promised clearly more."""
        n_missing = (source.n_samples or 0) - n_read
        if n_missing > source.rate_hz * BLOCK_S and n_missing > (source.n_samples or 0) * _MISSING_SHARE:
            self.note = CUT_SHORT


def _check_waveform(mean: Float32, rows: list[AudioRow]) -> None:
    if not len(mean):
        raise MediaInvalid("empty", "empty: no samples")
    if not rows:
        raise MediaInvalid("silent", f"silent: nothing above {SILENCE_DBFS:.0f} dBFS")


def _is_silent(waveform: Float32) -> bool:
    peak = max(float(waveform.max(initial=0.0)), -float(waveform.min(initial=0.0)))
    return bool(peak < 10.0 ** (SILENCE_DBFS / 20.0))


def _windows(n_samples: int) -> Iterator[tuple[int, int]]:
    """First sample of each window, and the one behind its last."""
    n_windows = 1 + max(0, -(-(n_samples - WINDOW_SAMPLES) // _WINDOW_HOP_SAMPLES))
    for start in range(0, n_windows * _WINDOW_HOP_SAMPLES, _WINDOW_HOP_SAMPLES):
        yield start, min(start + WINDOW_SAMPLES, n_samples)


def _make_row(mel: Float32, start: int, stop: int) -> AudioRow:
    return AudioRow(_scale(mel), start / SAMPLE_RATE_HZ, stop / SAMPLE_RATE_HZ)


def _cut_windows(mean: Float32) -> Iterator[AudioRow]:
    if not _is_silent(mean):
        for start, stop in _windows(len(mean)):
            yield _make_row(_mel_power(mean[start:stop]), start, stop)


def _lost_windows(mean: Float32, sides: Float32) -> list[AudioRow]:
    """Windows of what cancels in the mean, where that can be heard; the loudest of each window first."""
    if _is_silent(sides):
        return []
    lost = [found for start, stop in _windows(len(mean)) for found in _lost_in(mean, sides, start, stop)]
    return [row for _, row in sorted(lost, key=itemgetter(0))]


def _lost_in(mean: Float32, sides: Float32, start: int, stop: int) -> Iterator[tuple[int, AudioRow]]:
    """Rank and row of what cancels in a window."""
    heard = _mel_power(mean[start:stop])
    for rank, residue in enumerate(find_residues(mean[start:stop], sides[start:stop])):
        lost = _mel_power(residue)
        if is_lost(heard, lost):
            yield rank, _make_row(lost, start, stop)
            heard = heard + lost


def _describe_rest(sources: list[Source], n_samples: int) -> str | None:
    lengths_s = [None if source.n_samples is None else source.n_samples / source.rate_hz for source in sources]
    known_s = [length_s for length_s in lengths_s if length_s is not None]
    is_unknown = len(known_s) < len(lengths_s)
    if n_samples < _MAX_SAMPLES or (not is_unknown and sum(known_s) <= MAX_READ_S):
        return None
    length = "an unknown length" if is_unknown else f"{sum(known_s):.0f} s"
    return f"{MAX_READ_S:.0f} s of {length} read"
