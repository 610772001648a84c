"""Which shapes a TensorRT plan is built for, and random rows of such shapes; without torch: the image has none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.contract import MODALITIES, USUAL_BATCH, ModelSpec, Size, TensorSpec
from sluice.errors import SluiceError
from sluice_models.config import TRAINED_SPECS, TrainedName

SAMPLE_IDS = (5, 250)
"""Token ids of random texts: any vocabulary has them."""

Shape = tuple[int, ...]
Shapes = tuple[Shape, Shape, Shape]
Profile = dict[str, Shapes]
Arrays = dict[str, npt.NDArray[Any]]


class PlanError(SluiceError):
    """No plan can be built or run here: TensorRT or a GPU is missing, or the model is refused."""


def _profile(model: ModelSpec) -> Profile:
    return {tensor.name: _shapes(tensor, model.max_rows) for tensor in model.inputs}


def _shapes(tensor: TensorSpec, max_rows: int) -> Shapes:
    smallest, usual, largest = ((n_rows, *tensor.sizes(size)) for n_rows, size in _batches(max_rows))
    return smallest, usual, largest


def _batches(max_rows: int) -> Iterable[tuple[int, Size]]:
    return zip((1, USUAL_BATCH, max_rows), Size, strict=True)


PROFILES: dict[TrainedName, Profile] = {name: _profile(model) for name, model in TRAINED_SPECS.items()}
"""Smallest, usual and largest shape of every input, batch first."""


def describe_profile(name: TrainedName, inputs: Iterable[str]) -> Profile:
    """The shapes of those inputs that a model has; raises `PlanError` for one that is none of ours."""
    known, names = PROFILES[name], list(inputs)
    if strange := [tensor for tensor in names if tensor not in known]:
        raise PlanError(f"{name} has the inputs {strange}, known are {list(known)}")
    return {tensor: known[tensor] for tensor in names}


def sample_rows(
    name: TrainedName, inputs: Iterable[str], n_rows: int, size: Size = Size.USUAL, seed: int = 0
) -> Arrays:
    """Random rows in a shape of a model's profile; some are padded."""
    rng = np.random.default_rng(seed)
    profile = describe_profile(name, inputs)
    return {tensor: _fill(tensor, (n_rows, *shapes[size][1:]), rng) for tensor, shapes in profile.items()}


def _fill(tensor: str, shape: Shape, rng: np.random.Generator) -> npt.NDArray[Any]:
    if tensor == "attention_mask":
        lengths = rng.integers(1, shape[1] + 1, (shape[0], 1))
        return (np.arange(shape[1]) < lengths).astype(np.int64)
    if tensor == "pixels":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if tensor == "mask":
        return np.asarray(rng.random(shape) < 0.7)
    if tensor == "kind":
        return rng.integers(0, len(MODALITIES), shape, dtype=np.int64)
    if tensor == "log_mel":
        return rng.uniform(-1, 1, shape).astype(np.float32)
    if tensor == "tokens":
        return rng.standard_normal(shape).astype(np.float32)
    return rng.integers(*SAMPLE_IDS, shape, dtype=np.int64)
