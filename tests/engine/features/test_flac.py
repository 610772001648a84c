import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.features.audio import extract_audio
from sluice.features.flac import repair_length
from tests.engine.features.clips import encode

CLIP = encode(np.random.default_rng(0).normal(0, 0.1, 50_000).astype(np.float32), 16_000, "FLAC")


def declare(total: int) -> bytes:
    field = int.from_bytes(CLIP[18:26], "big") >> 36 << 36 | total
    return CLIP[:18] + field.to_bytes(8, "big") + CLIP[26:]


def test_an_honest_count_is_believed() -> None:
    assert repair_length(CLIP) is CLIP


@pytest.mark.parametrize("total", [0, 1_000, 49_999, 2**36 - 1])
def test_a_wrong_count_is_mended(total: int) -> None:
    assert repair_length(declare(total)) == CLIP
    assert extract_audio(declare(total)).partial is None


@pytest.mark.parametrize("n_bytes", [30, 60, len(CLIP) // 2])
def test_what_is_cut_short_keeps_its_count(n_bytes: int) -> None:
    assert repair_length(CLIP[:n_bytes]) == CLIP[:n_bytes]


@given(st.binary(max_size=400))
def test_any_bytes_come_back(content: bytes) -> None:
    assert repair_length(content) == content
    assert len(repair_length(CLIP[:42] + content)) == 42 + len(content)
