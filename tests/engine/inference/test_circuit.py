"""A model that is away is recognised with one probe, and so is one that is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from sluice.errors import InferenceError, InferenceUnavailable
from sluice.inference.circuit import MAX_PATIENCE_S, Circuit

DOWN = InferenceUnavailable("m is down", "m")


class Model:
    """Answers probes as told, once `gate` is open."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.n_probes = 0
        self.patience_s: list[float] = []
        self.opened: list[InferenceUnavailable] = []
        self.circuit = Circuit("m", self.probe, self.opened.append)

    async def probe(self, timeout_s: float) -> None:
        self.n_probes += 1
        self.patience_s.append(timeout_s)
        await self.gate.wait()
        if self.error:
            raise self.error


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    model = Model()
    yield model
    await model.circuit.stop()


async def test_a_model_is_trusted_until_something_is_wrong(model: Model) -> None:
    model.circuit.require()
    await model.circuit.closed()
    assert model.n_probes == 0


async def test_an_answer_makes_a_probe_needless(model: Model) -> None:
    started = time.monotonic()
    with model.circuit.request():
        pass
    await model.circuit.confirm(started)
    assert model.n_probes == 0
    await model.circuit.confirm(time.monotonic())
    assert model.n_probes == 1


async def test_while_it_is_asked_nobody_else_is_let_through(model: Model) -> None:
    model.gate.clear()
    model.circuit.doubt(time.monotonic())
    model.circuit.doubt(time.monotonic())
    with pytest.raises(InferenceUnavailable, match="asked again"):
        model.circuit.require()
    model.gate.set()
    await model.circuit.closed()
    assert (model.n_probes, model.opened) == (1, [])


@pytest.mark.parametrize("error", [DOWN, InferenceError("refused"), RuntimeError("a bug")])
async def test_a_probe_that_fails_opens_it_until_one_succeeds(model: Model, error: Exception) -> None:
    model.error = error
    with pytest.raises(InferenceUnavailable, match=str(error)) as caught:
        await model.circuit.confirm(time.monotonic())
    assert caught.value.model == "m"
    assert model.opened == [model.circuit.fault]
    while model.n_probes < 3:
        await asyncio.sleep(0.01)
    assert len(model.opened) == 1
    model.error = None
    await model.circuit.closed()
    model.circuit.require()
    assert model.circuit.fault is None


async def test_silence_while_requests_are_on_the_way_is_looked_into(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice.inference.circuit.MIN_SILENCE_S", 0.01)
    model.error = DOWN
    with model.circuit.request():
        while not model.opened:
            await asyncio.sleep(0.01)
    assert model.circuit.fault is DOWN


async def test_a_request_that_fails_is_no_answer(model: Model) -> None:
    started = time.monotonic()
    with pytest.raises(InferenceError), model.circuit.request():
        raise InferenceError("refused")
    await model.circuit.confirm(started)
    assert model.n_probes == 1


async def test_what_is_known_to_be_away_needs_no_doubt(model: Model) -> None:
    model.error = DOWN
    model.circuit.open(DOWN)
    with pytest.raises(InferenceUnavailable, match="down"):
        model.circuit.require()
    model.error = None
    await model.circuit.closed()


async def fall_and_recover(model: Model) -> float:
    """Open the circuit, let it close, and return how long the probe that closed it might have taken."""
    model.circuit.open(DOWN)
    await model.circuit.closed()
    return model.patience_s[-1]


async def test_each_fall_makes_it_more_patient_and_answers_less_so(model: Model) -> None:
    first, second, third = [await fall_and_recover(model) for _ in range(3)]
    assert first < second < third <= MAX_PATIENCE_S
    for _ in range(200):
        with model.circuit.request():
            pass
    assert await fall_and_recover(model) == pytest.approx(first, rel=0.1)


async def test_patience_has_an_end(model: Model) -> None:
    for _ in range(12):
        last = await fall_and_recover(model)
    assert last == MAX_PATIENCE_S


async def test_a_caller_without_time_raises_no_doubt(model: Model) -> None:
    with pytest.raises(InferenceError), model.circuit.request():
        raise InferenceError("too late")
    model.circuit.note_late(time.monotonic())
    model.circuit.require()
    assert model.n_probes == 0


async def test_callers_without_time_raise_a_doubt_together_after_a_silence(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice.inference.circuit.MIN_SILENCE_S", 0.0)
    with pytest.raises(InferenceError), model.circuit.request():
        raise InferenceError("too late")
    model.circuit.note_late(time.monotonic())
    await model.circuit.closed()
    assert model.n_probes == 1
    model.circuit.note_late(time.monotonic())
    assert model.n_probes == 1, "it has answered since"
