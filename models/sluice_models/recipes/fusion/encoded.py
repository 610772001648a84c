"""Encoder outputs of many parts, with what the fusion should make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.schema import LABELS
from sluice_models.data.bundle import Example

PLAIN_SEVERITY = 0.7
"""Of a harm that is there, where nobody said how bad it is."""
Float16 = npt.NDArray[np.float16]
Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
OURS = "made by us"
"""The source of drawings and synthesised sounds."""


@dataclass(frozen=True)
class Encoded:
    """Encoder outputs and what they should lead to, a row per part.

    Attributes
    ----------
    tokens : ndarray, shape = (n, T, D_TOKEN)
        In half precision. T is a multiple of `N_TOKENS`: a part may have several rows.
    mask : ndarray of bool, shape = (n, T)
        True where there is a token; the first `N_TOKENS` always are.
    logits, targets, weights, severity : ndarray, shape = (n, labels)
        Targets and severity are NaN where not annotated.
    sources : list of str
    """

    tokens: Float16
    mask: Bools
    logits: Float32
    targets: Float32
    weights: Float32
    severity: Float32
    sources: list[str]

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Rows of data sets, shape = (n,): among our own, harms occur as often as we made them."""
        return np.array([source != OURS for source in self.sources], np.bool_)


def one_row_each(tokens: npt.NDArray[np.floating[Any]]) -> tuple[Float16, Bools]:
    """Tokens, shape = (n, N_TOKENS, 256), of parts with one row each, and their mask."""
    return tokens.astype(np.float16), np.ones(tokens.shape[:2], np.bool_)


def text_severity(example: Example) -> Float32:
    """How bad it is, shape = (labels,): the annotators' scale or votes where there are any; NaN where unknown."""
    severity = plain_severity(example.targets)
    if isinstance(example.meta.get("severity"), float | int):  # one source has words there
        severity[example.targets == 1] = example.meta["severity"]
    elif shares := _vote_shares(example):
        severity[LABELS.index("toxicity")], severity[LABELS.index("hate")] = shares
    return severity


def _vote_shares(example: Example) -> tuple[float, float] | None:
    """Shares of the annotators who called it toxic, hate among it, and hate; None where there are no votes."""
    votes = np.array(example.meta.get("votes") or ())
    if not len(votes):
        return None
    if example.source == "hatexplain":  # a vote each: 0 hate, 1 normal, 2 offensive
        return float((votes != 1).mean()), float((votes == 0).mean())
    if example.source == "davidson2017":  # counted: hate, offensive, neither
        return float(votes[:2].sum() / votes.sum()), float(votes[0] / votes.sum())
    return None


def plain_severity(targets: Float32) -> Float32:
    """`PLAIN_SEVERITY` where a harm is, 0 where it is not, NaN where nobody said; any shape."""
    return (targets * PLAIN_SEVERITY).astype(np.float32)
