"""A model is known by what it answers: another one under the same version is another one."""

import asyncio

import numpy as np
import pytest
from tritonclient.utils import triton_to_np_dtype

from sluice.contract import FUSION, LABELS, MODELS, TEXT_ENCODER, ModelSpec
from sluice.errors import InferenceError
from sluice.inference import Array, Arrays
from sluice.inference.fake import ScriptedClassifier, quiet
from sluice.inference.identity import MAX_AGE_S, MAX_DIFFERENCE, REFRESH_S, ModelIdentities, is_alike, sample_row


class Known:
    """Identities of a fake's models, on a clock that stands still."""

    def __init__(self) -> None:
        self.classifier = ScriptedClassifier()
        self.now = 100.0
        self.identities = ModelIdentities(self.classifier, lambda: self.now)

    async def find(self, *models: ModelSpec) -> bytes | None:
        """What is known once all that is asked has been answered."""
        self.identities.find(models)
        while self.identities._asking:
            await asyncio.gather(*self.identities._asking.values())
            await asyncio.sleep(0)
        return self.identities.find(models)


@pytest.fixture
def known() -> Known:
    return Known()


async def test_nothing_is_known_before_the_first_answer(known: Known) -> None:
    assert known.identities.find([TEXT_ENCODER]) is None
    await known.identities.close()
    assert await known.find(TEXT_ENCODER) is not None


async def test_the_same_model_stays_the_same(known: Known) -> None:
    first = await known.find(TEXT_ENCODER, FUSION)
    known.now += REFRESH_S + 0.1
    assert await known.find(TEXT_ENCODER, FUSION) == first
    assert known.classifier.n_calls == 4


async def test_a_model_is_not_asked_more_often_than_needed(known: Known) -> None:
    for _ in range(5):
        await known.find(TEXT_ENCODER)
    assert known.classifier.n_calls == 1


def louder(model: ModelSpec, row: Arrays) -> Array:
    return np.full(len(LABELS), 0.02, np.float32)


async def test_other_weights_under_the_same_version_are_another_model_and_so_are_the_old_ones_again(
    known: Known,
) -> None:
    found = []
    for script in (quiet, louder, quiet):
        known.classifier.script = script
        known.now += REFRESH_S + 0.1
        found.append(await known.find(TEXT_ENCODER))
    assert len({*found}) == 3
    assert None not in found


async def test_another_version_or_other_languages_are_another_model(known: Known) -> None:
    first = await known.find(TEXT_ENCODER)
    known.classifier.version = "1"
    assert known.identities.find([TEXT_ENCODER]) is None  # at once, not only when it is asked again
    known.now += REFRESH_S + 0.1
    second = await known.find(TEXT_ENCODER)
    known.classifier.read = ("en",)
    third = await known.find(TEXT_ENCODER)
    assert len({first, second, third, None}) == 4


async def test_a_model_that_does_not_answer_is_soon_not_known(known: Known) -> None:
    assert await known.find(FUSION) is not None
    known.classifier.errors["fusion"] = InferenceError("away")
    known.now += MAX_AGE_S - 0.1
    assert await known.find(FUSION) is not None
    known.now += 0.2
    assert await known.find(FUSION) is None


def test_answers_that_differ_in_the_last_digits_are_alike() -> None:
    answer: Arrays = {"logits": np.linspace(-3, 3, 17)}
    assert is_alike(answer, {"logits": answer["logits"] + MAX_DIFFERENCE / 2})
    assert not is_alike(answer, {"logits": answer["logits"] + np.eye(17)[3] * MAX_DIFFERENCE * 2})
    assert not is_alike(answer, {"logits": answer["logits"][:-1]})
    assert not is_alike(answer, {"tokens": answer["logits"]})


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_sample_row_is_one_that_the_model_takes(model: ModelSpec) -> None:
    row = sample_row(model)
    for tensor in model.inputs:
        array = row[tensor.name]
        assert array.dtype == np.dtype(triton_to_np_dtype(tensor.type))
        assert all(have >= least for have, least in zip(array.shape, tensor.sizes(), strict=True))
        assert array.any()
