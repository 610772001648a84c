"""Clips that the tests synthesise, as the files that come in, and how what was read of them is looked at."""

import io
import struct

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from sluice.errors import MediaInvalid
from sluice.features import SAMPLE_RATE_HZ, AudioRow
from sluice.features.audio import extract_audio

Waveform = npt.NDArray[np.float32]
FORMATS = ["WAV", "FLAC", "OGG", "MP3"]


def play_tone(length_s: float, rate_hz: int = SAMPLE_RATE_HZ, pitch_hz: float = 440.0, level: float = 0.5) -> Waveform:
    time_s = np.arange(round(length_s * rate_hz)) / rate_hz
    tone: Waveform = (level * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)
    return tone


def encode(waveform: Waveform, rate_hz: int = SAMPLE_RATE_HZ, kind: str = "WAV", subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    n_channels = 1 if waveform.ndim == 1 else waveform.shape[1]
    with soundfile.SoundFile(file, "w", rate_hz, n_channels, subtype, format=kind) as clip:
        for start in range(0, len(waveform), rate_hz):  # libsndfile's Vorbis encoder dies of long writes
            clip.write(waveform[start : start + rate_hz])
    return file.getvalue()


def patch_wav(content: bytes, offset: int, form: str, value: int) -> bytes:
    patched = bytearray(content)
    struct.pack_into(form, patched, offset, value)
    return bytes(patched)


def find_loudest_band(row: AudioRow) -> int:
    return int(row.log_mel.mean(axis=1).argmax())


def refuse(content: bytes) -> str:
    with pytest.raises(MediaInvalid) as caught:
        extract_audio(content)
    assert len(caught.value.detail) < 100
    return caught.value.reason


def find_bands(rows: tuple[AudioRow, ...]) -> list[int]:
    return [find_loudest_band(row) for row in rows]


def split_pages(content: bytes) -> list[bytearray]:
    """The pages of a whole Ogg file."""
    pages, place = [], 0
    while place < len(content):
        n_segments = content[place + 26]
        end = place + 27 + n_segments + sum(content[place + 27 : place + 27 + n_segments])
        pages.append(bytearray(content[place:end]))
        place = end
    return pages


def sign_page(page: bytearray) -> bytes:
    """A page with the checksum that belongs to it, computed bit by bit."""
    page[22:26] = bytes(4)
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C1_1DB7) & 0xFFFF_FFFF if crc >> 31 else crc << 1
    page[22:26] = crc.to_bytes(4, "little")
    return bytes(page)
