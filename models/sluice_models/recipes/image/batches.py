"""Batches of what the picture network saw: every source is heard, large ones more, and pictures vary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class PlaneRows:
    """Pictures as the picture network sees them.

    Attributes
    ----------
    planes : sequence of ndarray of float16, shape = (n, C, 5, 5)
        On disk; of all pictures as they are, then of all of them varied.
    targets : ndarray, shape = (n, labels)
        NaN is not annotated.
    groups : ndarray of str, shape = (n,)
        What is balanced: the source, and weapons, fire or harmless.
    """

    planes: Sequence[npt.NDArray[np.float16]]
    targets: npt.NDArray[np.float32]
    groups: npt.NDArray[np.str_]


class PlaneBatch(NamedTuple):
    """What a step learns from: planes, shape = (B, C, 5, 5), and targets, shape = (B, labels)."""

    planes: Tensor
    targets: Tensor


def row_probabilities(groups: npt.NDArray[np.str_]) -> npt.NDArray[np.float64]:
    """How likely each picture is to be the next, shape = (n,): a group's share grows with the root of its size."""
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    probabilities = 1 / np.sqrt(counts)[inverse]
    return np.asarray(probabilities / probabilities.sum())


def plane_batches(rows: PlaneRows, n_batch: int, seed: int = 0) -> Iterator[PlaneBatch]:
    """Endless batches, the same at each start."""
    rng = np.random.default_rng(seed)
    probabilities = row_probabilities(rows.groups)
    while True:
        chosen = rng.choice(len(rows.targets), n_batch, p=probabilities)
        varieties = rng.integers(len(rows.planes), size=n_batch)
        planes = np.stack([rows.planes[variety][row] for variety, row in zip(varieties, chosen, strict=True)])
        yield PlaneBatch(torch.from_numpy(planes), torch.from_numpy(rows.targets[chosen]))
