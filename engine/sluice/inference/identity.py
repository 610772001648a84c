"""Which model it is that answers: its version does not tell, since a model may be loaded anew under the same one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.contract import OCR_MODELS, Axis, ModelSpec, TensorSpec
from sluice.errors import InferenceError
from sluice.inference import Array, Arrays, Classifier

REFRESH_S = 2.0
"""A model in use is asked again after so long."""
MAX_AGE_S = 10.0
"""From so long ago an answer says nothing any more: the model may be another one by now."""
ANSWER_S = 5.0
MAX_DIFFERENCE = 0.02
"""Between two answers of the same weights: kernels differ from batch to batch in the last digits, on a GPU in half
precision somewhat more. Of the thousand numbers in an answer, other weights change one by more than this."""
SAMPLE_LENGTH = 8


@dataclass(frozen=True, slots=True)
class _Known:
    """What a model answered last: it is the `number`-th one of its name."""

    outputs: Arrays
    version: str
    number: int
    name: str
    answered_at: float


class ModelIdentities:
    """Tells whether models are still those that they were, by what they say of a row that is always the same.

    Parameters
    ----------
    classifier : Classifier
    clock : callable
        Monotonic, in seconds.
    """

    def __init__(self, classifier: Classifier, clock: Callable[[], float] = time.monotonic) -> None:
        self._classifier = classifier
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def find(self, models: Sequence[ModelSpec]) -> bytes | None:
        """What tells these models from all others before them; None while that is not known.

        The models are asked in the background, every `REFRESH_S` seconds while somebody wants to know.
        """
        versions = self._classifier.versions
        found = [self._find(model, versions.get(model.name, "")) for model in models]
        if None in found:
            return None
        return " ".join(filter(None, [*found, *(self._classifier.languages or ("all",))])).encode()

    async def close(self) -> None:
        """Ask no more."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def _find(self, model: ModelSpec, version: str) -> str | None:
        if model in OCR_MODELS:
            return f"{model.name}:{version}"  # their weights' hashes are pinned
        known = self._known.get(model.name)
        age_s = self._clock() - (known.answered_at if known else float("-inf"))
        if age_s > REFRESH_S:
            self._ask_soon(model)
        if known is None or age_s > MAX_AGE_S or known.version != version:
            return None
        return known.name

    def _ask_soon(self, model: ModelSpec) -> None:
        if model.name not in self._asking:
            task = asyncio.create_task(self._ask(model))
            self._asking[model.name] = task
            task.add_done_callback(lambda _: self._asking.pop(model.name, None))

    async def _ask(self, model: ModelSpec) -> None:
        deadline = asyncio.get_running_loop().time() + ANSWER_S
        try:
            (outputs,) = await self._classifier.infer(model, [sample_row(model)], deadline)
        except InferenceError:
            return  # what is known grows old meanwhile
        before, version = self._known.get(model.name), self._classifier.versions.get(model.name, "")
        is_same = before is not None and before.version == version and is_alike(before.outputs, outputs)
        number = 0 if before is None else before.number + (not is_same)
        copied = {name: np.array(array) for name, array in outputs.items()}
        name = f"{model.name}:{version}:{number}"
        self._known[model.name] = _Known(copied, version, number, name, self._clock())


def sample_row(model: ModelSpec) -> Arrays:
    """A row that is the same each time and that no weight treats as empty."""
    return {tensor.name: _sample(tensor) for tensor in model.inputs}


def _sample(tensor: TensorSpec) -> Array:
    shape = tuple(max(SAMPLE_LENGTH, each.sizes[0]) if isinstance(each, Axis) else each for each in tensor.shape)
    count: Array = np.arange(int(np.prod(shape))).reshape(shape)
    if tensor.type == "FP32":
        return np.sin(count, dtype=np.float32)
    if tensor.type == "UINT8":
        return np.mod(count * 7, 251).astype(np.uint8)
    return np.ones(shape, np.bool_ if tensor.type == "BOOL" else np.int64)


def is_alike(before: Arrays, now: Arrays) -> bool:
    """Whether two answers are of the same weights."""
    return before.keys() == now.keys() and all(
        before[name].shape == array.shape
        and np.allclose(before[name], array, rtol=0.0, atol=MAX_DIFFERENCE, equal_nan=True)
        for name, array in now.items()
    )
