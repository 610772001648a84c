"""The scores of nothing follow the model that is served."""

from __future__ import annotations

import asyncio

import numpy as np

from sluice.contract import ModelSpec
from sluice.inference import Array, Arrays
from sluice.inference.fake import ScriptedClassifier
from sluice.verdict.prior import MAX_AGE_S, Prior

ROW = {"tokens": np.full((2, 256), 0.5, np.float32), "mask": np.ones(2, bool), "kind": np.zeros(2, np.int64)}


class Clock:
    """Monotonic time, set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class CountingClassifier(ScriptedClassifier):
    """Counts the rows that the fusion gets."""

    def __init__(self) -> None:
        super().__init__()
        self.n_rows: list[int] = []

    async def infer(self, model: ModelSpec, rows: object, deadline: float) -> list[Arrays]:
        self.n_rows.append(len(rows))  # type: ignore[arg-type]
        return await super().infer(model, rows, deadline)  # type: ignore[arg-type]


async def fuse(prior: Prior) -> tuple[Array, Array]:
    whole, nothing = await prior.fuse(ROW, asyncio.get_running_loop().time() + 30)
    return whole["logits"], nothing["logits"]


async def test_it_is_read_once_in_a_while() -> None:
    classifier, clock = CountingClassifier(), Clock()
    prior = Prior(classifier, clock)
    first = await fuse(prior)
    second = await fuse(prior)
    assert classifier.n_rows == [2, 1]
    np.testing.assert_array_equal(first, second)
    clock.now += MAX_AGE_S + 0.1
    await fuse(prior)
    assert classifier.n_rows == [2, 1, 2]


async def test_a_version_that_was_replaced_is_not_compared_with() -> None:
    classifier, clock = CountingClassifier(), Clock()
    prior = Prior(classifier, clock)
    await fuse(prior)
    classifier.version = "2"
    await fuse(prior)
    assert classifier.n_rows == [2, 1, 2]
    await fuse(prior)
    assert classifier.n_rows == [2, 1, 2, 1]
