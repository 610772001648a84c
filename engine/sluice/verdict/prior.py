"""The fusion model's scores of nothing: what is left of a post without its only part."""

from __future__ import annotations

import time
from collections.abc import Callable

from sluice.contract import FUSION
from sluice.inference import Arrays, Classifier
from sluice.verdict.fusion import fusion_rows

MAX_AGE_S = 1.0
"""A model may be replaced at any time, under the same version too."""


class Prior:
    """Reads the scores of nothing along with a post's, once in a while, and keeps them.

    Parameters
    ----------
    classifier : Classifier
    clock : callable
        Monotonic, in seconds.
    """

    def __init__(self, classifier: Classifier, clock: Callable[[], float] = time.monotonic) -> None:
        self._classifier = classifier
        self._clock = clock
        self._outputs: Arrays = {}
        self._version: str | None = None
        self._read_at = float("-inf")

    async def fuse(self, row: Arrays, deadline: float) -> list[Arrays]:
        """The fusion model's outputs for the only part of a post, and for nothing; raises as `Classifier.infer` does.

        Both are of one version: what a model says is not compared with what the one before it said.
        """
        if self._clock() - self._read_at <= MAX_AGE_S:
            (whole,) = await self._classifier.infer(FUSION, [row], deadline)
            if self._classifier.versions.get(FUSION.name) == self._version:
                return [whole, self._outputs]
        whole, nothing = await self._classifier.infer(FUSION, [row, *fusion_rows([])], deadline)
        self._outputs, self._read_at = nothing, self._clock()
        self._version = self._classifier.versions.get(FUSION.name)
        return [whole, nothing]
