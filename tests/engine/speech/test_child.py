"""The transcriber's loop, on pipes in memory and without a model."""

import io

import numpy as np
import numpy.typing as npt
import pytest

from sluice.decoding import wire
from sluice.speech import child
from sluice.speech.transcript import Segment, read_segments

SOUND = np.arange(400, dtype=np.int16)


def count(samples: npt.NDArray[np.int16]) -> list[Segment]:
    return [Segment(f"{len(samples)} samples", 0.0, len(samples) / 16_000)]


def fail(samples: npt.NDArray[np.int16]) -> list[Segment]:
    raise RuntimeError(f"cannot read {samples[:3]}")


@pytest.fixture(autouse=True)
def _no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_limit_cpu", lambda cpu_s: None)


def answers(sink: io.BytesIO) -> list[tuple[bytes, bytes]]:
    found, content = [], io.BytesIO(sink.getvalue())
    while header := content.read(wire.HEADER.size):
        kind, n_bytes = wire.HEADER.unpack(header)
        found.append((kind, content.read(n_bytes)))
    return found


def test_each_sound_has_its_answer_behind_the_first_that_says_ready() -> None:
    sink = io.BytesIO()
    asked = wire.frame(wire.AUDIO, SOUND.tobytes()) + wire.frame(wire.AUDIO, SOUND[:10].tobytes())
    child.serve(io.BytesIO(asked), sink, count, 1.0)
    ready, first, second = answers(sink)
    assert ready == (wire.GRANTED, b"")
    assert [read_segments(body)[0].text for _, body in (first, second)] == ["400 samples", "10 samples"]


def test_a_fault_is_told_without_what_was_said() -> None:
    sink = io.BytesIO()
    child.serve(io.BytesIO(wire.frame(wire.AUDIO, SOUND.tobytes())), sink, fail, 1.0)
    kind, body = answers(sink)[1]
    assert kind == wire.TRACE
    assert body.startswith(b"RuntimeError\n")
    assert b"in fail" in body
    assert b"[0 1 2]" not in body
