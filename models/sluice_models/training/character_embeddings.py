"""Starting vectors for Chinese characters, which MiniLM has hardly read: from what they stand next to."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

REACH = 3
"""Characters to the right that count as neighbours."""


def count_neighbours(rows: Iterable[npt.NDArray[np.int64]], n_characters: int) -> npt.NDArray[np.float32]:
    """How often two characters stand within `REACH` of each other, shape = (n, n); ids of -1 are other tokens."""
    counts = np.zeros((n_characters, n_characters), np.float32)
    for row in rows:
        for distance in range(1, min(REACH, len(row) - 1) + 1):
            left, right = row[:-distance], row[distance:]
            both = (left >= 0) & (right >= 0)
            np.add.at(counts, (left[both], right[both]), 1.0 / distance)
    return counts + counts.T


def embed_characters(counts: npt.NDArray[np.float32], d_hidden: int) -> Tensor:
    """Vectors of unit length, shape = (n, d_hidden), from the positive pointwise mutual information.

    Truncated SVD of that matrix is what skip-gram factorises (Levy and Goldberg, 2014); singular values are weighted
    by their square root, as they advise.
    """
    smoothed = counts.sum(axis=0) ** 0.75
    expected = np.outer(counts.sum(axis=1), smoothed) / max(smoothed.sum(), 1.0)
    information = np.log(np.maximum(counts, 1e-9) / np.maximum(expected, 1e-9))
    positive = torch.from_numpy(np.where(counts > 0, np.maximum(information, 0.0), 0.0).astype(np.float32))
    torch.manual_seed(0)
    left, singular, _ = torch.svd_lowrank(positive, q=d_hidden, niter=2)
    return torch.nn.functional.normalize(left * singular.sqrt(), dim=1)


def write_character_embeddings(embedding: Tensor, rows: list[int], vectors: Tensor) -> None:
    """Write vectors into some rows of an embedding, in place, as far from its mean as its other rows are.

    Parameters
    ----------
    embedding : Tensor, shape = (words, D)
    rows : list of int
    vectors : Tensor, shape = (len(rows), D)
        Of unit length.
    """
    with torch.no_grad():
        mean = embedding.mean(dim=0)
        radius = (embedding - mean).norm(dim=1).median()
        embedding[rows] = mean + vectors * radius
