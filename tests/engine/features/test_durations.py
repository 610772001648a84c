import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sluice.features.durations import frame_durations

FRAMES = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_what_was_written_is_read(kind: str) -> None:
    file = io.BytesIO()
    FRAMES[0].save(file, kind, save_all=True, append_images=FRAMES[1:], duration=[50, 2_000, 0])
    assert frame_durations(file.getvalue()) == pytest.approx([0.05, 2.0, 0.1])  # none is as long as browsers make it


def test_a_still_picture_has_none() -> None:
    file = io.BytesIO()
    FRAMES[0].save(file, "JPEG")
    assert frame_durations(file.getvalue()) == []


@given(st.sampled_from([b"GIF89a", b"RIFF\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n"]), st.binary(max_size=300))
def test_any_bytes_have_durations_or_none(head: bytes, content: bytes) -> None:
    assert all(seconds >= 0.0 for seconds in frame_durations(head + content))
