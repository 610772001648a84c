import io
import sys

import numpy as np
import pytest

from sluice.errors import MediaInvalid
from sluice.features.audio import extract_audio
from tests.engine.features.clips import encode, find_loudest_band, play_tone


def record(name: str, codec: str, rate_hz: int) -> bytes:
    """A voice note as phones record them."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format=name) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="mono")
        samples = (play_tone(2.0, rate_hz, level=0.5) * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


VOICE_NOTES = [
    ("ipod", "aac", 44_100), ("mp4", "aac", 16_000), ("adts", "aac", 44_100), ("webm", "libopus", 48_000),
    ("3gp", "aac", 16_000), ("amr", "libopencore_amrnb", 8_000), ("caf", "alac", 44_100), ("mov", "aac", 44_100),
]  # fmt: skip


@pytest.mark.parametrize(("name", "codec", "rate_hz"), VOICE_NOTES)
def test_voice_notes_are_read(name: str, codec: str, rate_hz: int) -> None:
    features = extract_audio(record(name, codec, rate_hz))
    assert features.partial is None
    assert features.rows[0].end_s == pytest.approx(2.0, abs=0.2)
    assert find_loudest_band(features.rows[0]) == find_loudest_band(extract_audio(encode(play_tone(2.0))).rows[0])


def test_without_the_extra_voice_notes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    content = record("ipod", "aac", 44_100)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MediaInvalid, match=r"M4A is not read: this worker lacks the extra \[media\]"):
        extract_audio(content)
