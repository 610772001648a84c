"""A `Classifier` without models: scripted scores, for tests of everything above the seam."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from sluice.contract import (
    D_TOKEN,
    FIRST_STAGE,
    FUSION,
    LABELS,
    MODELS,
    N_TOKENS,
    OCR_DETECTOR,
    OCR_MODELS,
    OCR_RECOGNISER,
    Axis,
    ModelSpec,
)
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable
from sluice.inference import Array, Arrays, Clearance

Script = Callable[[ModelSpec, Arrays], Array]
"""Model and row → probability per label, shape (n_labels,)."""


def quiet(model: ModelSpec, row: Arrays) -> Array:
    """The script that finds nothing in any row."""
    return np.full(len(LABELS), 0.01, np.float32)


CLEAR_BELOW = 0.1
"""Of every label's probability, that the fake first stage clears."""


class ScriptedClassifier:
    """Answers every row with the scores of a script.

    The fake encoders write their probabilities into the tokens and the fake fusion takes the highest over the tokens
    that its mask lets through, so contributions behave as with the real models.

    Parameters
    ----------
    script : callable
        Called for rows of the encoders.
    delay_s : dict of str to float
        Seconds that a model takes, by its name; 0 for those missing.
    """

    def __init__(self, script: Script = quiet, delay_s: dict[str, float] | None = None) -> None:
        self.script = script
        self.delay_s = delay_s or {}
        self.read: tuple[str, ...] | None = ("en", "zh")
        """What `languages` says."""
        self.clearance: Clearance | None = None
        """What the first stage may clear; it clears what the script gives less than `CLEAR_BELOW` of every label."""
        self.errors: dict[str, InferenceError] = {}
        """Raised by a model instead of an answer, by its name."""
        self.ready = asyncio.Event()
        """Whether the models answer a probe."""
        self.ready.set()
        self.writing: tuple[str, ...] = ()
        """Lines of text in every page, one below the other, each as wide as the page; an empty one cannot be read."""
        self.version = "0"
        self.n_calls = 0

    async def infer(self, model: ModelSpec, rows: Sequence[Arrays], deadline: float) -> list[Arrays]:
        """See `Classifier.infer`."""
        self.n_calls += 1
        if model.name in self.errors:
            raise self.errors[model.name]
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.sleep(self.delay_s.get(model.name, 0.0))
        except TimeoutError as error:
            raise InferenceLate(f"{model.name}: late") from error
        return [self._answer(model, row) for row in rows]

    async def confirm(self, max_age_s: float = 0.0) -> None:
        """See `Classifier.confirm`."""
        if not self.ready.is_set():
            raise InferenceUnavailable("the fake is not ready", FUSION.name)

    async def recovered(self, model: str) -> None:
        """See `Classifier.recovered`."""
        await self.ready.wait()

    @property
    def versions(self) -> dict[str, str]:
        """See `Classifier.versions`."""
        return {spec.name: self.version for spec in (*MODELS, *OCR_MODELS, FIRST_STAGE)}

    @property
    def languages(self) -> tuple[str, ...] | None:
        """See `Classifier.languages`."""
        return self.read

    def _answer(self, model: ModelSpec, row: Arrays) -> Arrays:
        if model is OCR_DETECTOR:
            return self._detect()
        if model is OCR_RECOGNISER:
            return self._recognise(row)
        if model is FIRST_STAGE:
            return self._look(row)
        return self._fuse(row) if model is FUSION else self._encode(model, row)

    def _look(self, row: Arrays) -> Arrays:
        probabilities = np.clip(self.script(FIRST_STAGE, row), 1e-6, 1 - 1e-6).astype(np.float32)
        suspicion = np.array([probabilities.max() - CLEAR_BELOW], np.float32)
        return {"logits": _logit(probabilities), "suspicion": suspicion}

    def _detect(self) -> Arrays:
        corners, certainty = (np.zeros(tensor.sizes(), np.float32) for tensor in OCR_DETECTOR.outputs[:2])
        n_lines = len(self.writing)
        for index in range(min(n_lines, len(corners))):
            top, bottom = index / n_lines, (index + 1) / n_lines
            corners[index] = [[0.0, top], [1.0, top], [1.0, bottom], [0.0, bottom]]
            certainty[index] = 0.9
        return {"corners": corners, "certainty": certainty, "n_lines": np.array([n_lines])}

    def _recognise(self, row: Arrays) -> Arrays:
        letters, certainty = (
            np.zeros(tensor.sizes(), dtype)
            for tensor, dtype in zip(OCR_RECOGNISER.outputs, (np.uint8, np.float32), strict=True)
        )
        for index, corners in enumerate(row["corners"]):
            if corners.any():
                text = self.writing[round(float(corners[0, 1]) * len(self.writing))].encode()
                letters[index, : len(text)] = np.frombuffer(text, np.uint8)
                certainty[index] = 0.99 if text else 0.0
        return {"letters": letters, "certainty": certainty}

    def _encode(self, model: ModelSpec, row: Arrays) -> Arrays:
        probabilities = np.clip(self.script(model, row), 1e-6, 1 - 1e-6).astype(np.float32)
        tokens = np.zeros((N_TOKENS, D_TOKEN), np.float32)
        tokens[:, : len(LABELS)] = probabilities
        return {
            "tokens": tokens,
            "logits": _logit(probabilities),
            model.evidence.name: _where(model, row, probabilities),
        }

    def _fuse(self, row: Arrays) -> Arrays:
        seen = row["tokens"][row["mask"]][:, : len(LABELS)]
        probabilities = seen.max(axis=0) if len(seen) else np.full(len(LABELS), 0.01, np.float32)
        return {"logits": _logit(probabilities), "severity": probabilities / 2}


def _where(model: ModelSpec, row: Arrays, probabilities: Array) -> Array:
    """The encoder's evidence: all of a text, the left top of a picture, the first half of a clip."""
    *labels, last = model.evidence.shape
    if isinstance(last, Axis):
        n_labels = [size for size in labels if not isinstance(size, Axis)]
        return np.ones((*n_labels, len(row[model.inputs[0].name])), np.float32)
    shown = np.zeros(model.evidence.sizes(), np.float32)
    first_half = tuple(slice(size // 2) for size in shown.shape[1:])
    shown[:, *first_half] = probabilities.reshape(-1, *[1] * (shown.ndim - 1))
    return shown


def _logit(probabilities: Array) -> Array:
    odds: Array = probabilities / (1 - probabilities)
    return np.log(odds)
