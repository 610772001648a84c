"""Posts composed of encoded parts, for the fusion: labels of a post are the OR over its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sluice.schema import MODALITIES
from sluice_models.recipes.fusion.encoded import Encoded

SLOTS = ((0, 0.75), (0, 0.12), (1, 0.30), (1, 0.08), (2, 0.25), (2, 0.05))
"""The parts that a post may have: modality, and how often it is there. Many posts have one part alone."""
TOKEN_DROPOUT = 0.05
N_KEPT_EMPTY = 0.02
"""Share of posts without any part: their severity is learned too."""
Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PostBatch:
    """Inputs and targets of the fusion: (B, S, 256), (B, S), (B, S), and three of (B, labels)."""

    tokens: Tensor
    mask: Tensor
    kind: Tensor
    targets: Tensor
    weights: Tensor
    severity: Tensor


def compose_posts(parts: Sequence[Encoded], n_batch: int) -> Iterator[PostBatch]:
    """Endless batches of random posts."""
    rng = np.random.default_rng(0)
    kind = slot_kinds(parts)
    while True:
        present = draw_presence(n_batch, rng)
        chosen = [rng.integers(len(parts[slot].targets), size=n_batch) for slot, _ in SLOTS]
        columns = [(parts[slot], rows) for (slot, _), rows in zip(SLOTS, chosen, strict=True)]
        tokens = np.concatenate([part.tokens[rows] for part, rows in columns], axis=1).astype(np.float32)
        shown = np.concatenate(
            [part.mask[rows] & present[:, [slot]] for slot, (part, rows) in enumerate(columns)], axis=1
        )
        mask = shown & (rng.random(tokens.shape[:2]) > TOKEN_DROPOUT)
        targets = join_targets(np.stack([part.targets[rows] for part, rows in columns], axis=1), present)
        weights = np.where(present[..., None], np.stack([part.weights[rows] for part, rows in columns], axis=1), 1.0)
        severity = join_severity(np.stack([part.severity[rows] for part, rows in columns], axis=1), present)
        kinds = np.broadcast_to(kind, mask.shape).copy()
        weighted = np.where(targets == 1, 1.0, weights.min(axis=1)).astype(np.float32)
        yield PostBatch(*(torch.from_numpy(array) for array in (tokens, mask, kinds, targets, weighted, severity)))


def slot_kinds(parts: Sequence[Encoded]) -> npt.NDArray[np.int64]:
    """The kind of each token of a composed post, shape = (S,): slot after slot, each as wide as its kind's parts."""
    return np.concatenate([np.full(parts[kind].tokens.shape[1], kind) for kind, _ in SLOTS])


def join_batches(first: PostBatch, second: PostBatch) -> PostBatch:
    """Both batches' posts, in that order."""
    return PostBatch(*(torch.cat(pair) for pair in zip(vars(first).values(), vars(second).values(), strict=True)))


def keep_several(batch: PostBatch) -> PostBatch:
    """The posts that have parts of several kinds."""
    kinds = torch.stack([(batch.mask & (batch.kind == kind)).any(dim=1) for kind in range(len(MODALITIES))])
    several = kinds.sum(dim=0) > 1
    return PostBatch(*(part[several] for part in vars(batch).values()))


def draw_presence(n_posts: int, rng: np.random.Generator) -> Bool:
    """Which parts each post has, shape = (n_posts, slots); nearly every post has at least one."""
    present = rng.random((n_posts, len(SLOTS))) < np.array([share for _, share in SLOTS])
    empty = ~present.any(axis=1) & (rng.random(n_posts) > N_KEPT_EMPTY)
    present[empty, rng.integers(len(SLOTS), size=int(empty.sum()))] = True
    return present


def join_targets(targets: Float32, present: Bool) -> Float32:
    """OR over parts, shape = (n, slots, labels) to (n, labels).

    1 if any part is 1; else NaN if any is not annotated; else 0. Absent parts count as 0.
    """
    joined = np.where(present[..., None], targets, 0.0)
    any_positive = (joined == 1).any(axis=1)
    any_unknown = np.isnan(joined).any(axis=1)
    return np.where(any_positive, 1.0, np.where(any_unknown, np.nan, 0.0)).astype(np.float32)


def join_severity(severity: Float32, present: Bool) -> Float32:
    """The worst part's, shape = (n, slots, labels) to (n, labels); NaN if any part's is unknown."""
    joined = np.where(present[..., None], severity, 0.0)
    return np.asarray(joined.max(axis=1), np.float32)  # max passes NaN on


def single_parts(part: Encoded, modality: int) -> tuple[Tensor, Tensor, Tensor]:
    """Every part as a post of its own: tokens (n, T, 256) in half precision, mask and kind (n, T)."""
    kinds = torch.full(part.mask.shape, modality, dtype=torch.int64)
    return torch.from_numpy(part.tokens), torch.from_numpy(part.mask), kinds
