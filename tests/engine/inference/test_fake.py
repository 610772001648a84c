"""The fake keeps the contract of a `Classifier`: else tests above the seam would test something else."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from tritonclient.utils import triton_to_np_dtype

from sluice.contract import FIRST_STAGE, FUSION, LABELS, MODELS, OCR_MODELS, Axis, ModelSpec
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable
from sluice.inference import Array, Arrays
from sluice.inference.fake import ScriptedClassifier, quiet
from sluice.logits import sigmoid

ENCODERS = [spec for spec in MODELS if spec is not FUSION]


def row_of(model: ModelSpec) -> dict[str, Array]:
    return {tensor.name: np.zeros(tensor.sizes(), triton_to_np_dtype(tensor.type)) for tensor in model.inputs}


def soon() -> float:
    return asyncio.get_running_loop().time() + 30.0


def loud(model: ModelSpec, row: Arrays) -> Array:
    return np.linspace(0.1, 0.9, len(LABELS), dtype=np.float32)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_outputs_have_the_contracts_names_shapes_and_types(model: ModelSpec) -> None:
    row = row_of(model)
    (outputs,) = await ScriptedClassifier().infer(model, [row], soon())
    assert set(outputs) == {tensor.name for tensor in model.outputs}
    for tensor in model.outputs:
        found = outputs[tensor.name]
        assert found.dtype == np.dtype(triton_to_np_dtype(tensor.type))
        fixed = [
            (size, there) for size, there in zip(tensor.shape, found.shape, strict=True) if not isinstance(size, Axis)
        ]
        assert all(size == there for size, there in fixed)


@pytest.mark.parametrize("model", ENCODERS, ids=lambda model: model.name)
async def test_an_encoder_answers_each_row_with_its_script(model: ModelSpec) -> None:
    answers = await ScriptedClassifier(loud).infer(model, [row_of(model)] * 3, soon())
    assert len(answers) == 3
    assert all(sigmoid(outputs["logits"]) == pytest.approx(loud(model, {}), abs=1e-6) for outputs in answers)


async def test_the_fusion_takes_the_highest_of_the_tokens_that_its_mask_lets_through() -> None:
    fake = ScriptedClassifier(loud)
    encoder = ENCODERS[0]
    (loud_row,) = await fake.infer(encoder, [row_of(encoder)], soon())
    fake.script = quiet
    (quiet_row,) = await fake.infer(encoder, [row_of(encoder)], soon())
    tokens = np.concatenate([loud_row["tokens"], quiet_row["tokens"]])
    n_tokens = len(loud_row["tokens"])
    heard = np.arange(len(tokens)) < n_tokens
    found = await fake.infer(
        FUSION, [{"tokens": tokens, "mask": mask} for mask in (heard, ~heard, heard & ~heard)], soon()
    )
    scores = [sigmoid(each["logits"]) for each in found]
    assert scores[0] == pytest.approx(loud(encoder, {}), abs=1e-6)
    assert scores[1] == pytest.approx(np.full(len(LABELS), 0.01), abs=1e-6)
    assert scores[2] == pytest.approx(np.full(len(LABELS), 0.01), abs=1e-6)
    assert found[0]["severity"] == pytest.approx(scores[0] / 2, abs=1e-6)


@pytest.mark.parametrize("probability", [0.0, 1.0])
async def test_a_script_that_is_certain_gives_finite_logits(probability: float) -> None:
    fake = ScriptedClassifier(lambda model, row: np.full(len(LABELS), probability, np.float32))
    (outputs,) = await fake.infer(ENCODERS[0], [row_of(ENCODERS[0])], soon())
    assert np.isfinite(outputs["logits"]).all()


async def test_a_model_that_takes_longer_than_the_deadline_is_late() -> None:
    fake = ScriptedClassifier(delay_s={FUSION.name: 60.0})
    with pytest.raises(InferenceLate, match=FUSION.name):
        await fake.infer(FUSION, [row_of(FUSION)], asyncio.get_running_loop().time() + 0.01)
    assert await fake.infer(ENCODERS[0], [row_of(ENCODERS[0])], soon())  # the others are not delayed


async def test_a_model_fails_as_it_is_told_and_the_others_do_not() -> None:
    fake = ScriptedClassifier()
    fake.errors[FUSION.name] = InferenceError("refused")
    with pytest.raises(InferenceError, match="refused"):
        await fake.infer(FUSION, [row_of(FUSION)], soon())
    await fake.infer(ENCODERS[0], [row_of(ENCODERS[0])], soon())
    assert fake.n_calls == 2


async def test_while_it_is_away_it_says_so_and_recovers_when_it_is_back() -> None:
    fake = ScriptedClassifier()
    await fake.confirm()
    fake.ready.clear()
    with pytest.raises(InferenceUnavailable) as caught:
        await fake.confirm(max_age_s=10.0)
    waiting = asyncio.create_task(fake.recovered(caught.value.model))
    await asyncio.sleep(0)
    assert not waiting.done()
    fake.ready.set()
    await asyncio.wait_for(waiting, 10)


def test_versions_and_languages_are_what_it_is_told() -> None:
    fake = ScriptedClassifier()
    fake.version, fake.read = "7", None
    assert fake.versions == dict.fromkeys([spec.name for spec in (*MODELS, *OCR_MODELS, FIRST_STAGE)], "7")
    assert fake.languages is None
