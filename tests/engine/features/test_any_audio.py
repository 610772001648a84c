import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import MediaInvalid
from sluice.features import N_FRAMES, N_MELS, AudioRow
from sluice.features.audio import MAX_WINDOWS, extract_audio
from tests.engine.features.clips import FORMATS, encode, play_tone

SEEDS = [encode(play_tone(0.3, 8_000), 8_000, kind) for kind in FORMATS] + [
    encode(play_tone(0.1), subtype=subtype) for subtype in ("FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM", "PCM_24", "PCM_U8")
]


def extract_or_explain(content: bytes) -> str | tuple[AudioRow, ...]:
    try:
        return extract_audio(content).rows
    except MediaInvalid as error:
        return error.reason


def check_rows_or_reason(content: bytes) -> None:
    found = extract_or_explain(content)
    if isinstance(found, str):
        assert found in {"not_audio", "empty", "truncated", "unsupported", "not_finite", "silent"}
    else:
        assert 1 <= len(found) <= MAX_WINDOWS
        assert all(row.log_mel.shape == (N_MELS, N_FRAMES) for row in found)
        assert all(np.abs(row.log_mel).max() <= 1.0 for row in found)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_rows_or_refused(content: bytes) -> None:
    check_rows_or_reason(content)


@settings(max_examples=400, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    cut=st.floats(0.3, 1.0),
)
def test_any_damaged_clip_is_rows_or_refused(seed: bytes, edits: list[tuple[float, int]], cut: float) -> None:
    content = bytearray(seed)
    for place, value in edits:
        content[int(place**2 * len(content))] = value  # squared: rather in the header
    check_rows_or_reason(bytes(content[: int(cut * len(content))]))
