import librosa
import numpy as np
import pytest

from sluice.features import N_MELS, SAMPLE_RATE_HZ
from sluice.features.audio import F_MAX_HZ, F_MIN_HZ, N_FFT
from sluice.features.mel import mel_filters


@pytest.mark.parametrize(
    ("rate_hz", "n_fft", "n_mels", "f_min_hz", "f_max_hz"),
    [
        (SAMPLE_RATE_HZ, N_FFT, N_MELS, F_MIN_HZ, F_MAX_HZ),
        (44_100, 2_048, 128, 0.0, 11_025.0),
        (48_000, 4_096, 40, 1_000.0, 20_000.0),
    ],
)
def test_filters_are_librosas_to_the_bit(
    rate_hz: int, n_fft: int, n_mels: int, f_min_hz: float, f_max_hz: float
) -> None:
    expected = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels, fmin=f_min_hz, fmax=f_max_hz)
    filters = mel_filters(rate_hz, n_fft, n_mels, f_min_hz, f_max_hz)
    assert filters.dtype == np.float32
    np.testing.assert_array_equal(filters, expected)
