"""The fusion model's rows: all tokens of a post, and the same with each part masked out in turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.contract import D_TOKEN, FUSION, LABELS, MAX_FUSED_ROWS, N_TOKENS, ModalityName
from sluice.errors import InferenceError
from sluice.inference import Arrays
from sluice.logits import sigmoid
from sluice.modalities.scored import FirstLook, ScoredPart

_IMAGE: ModalityName = "image"
"""How the names of images begin."""
_MAX_EXPONENT = 700.0
"""Of e, that a float holds."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the fusion model says of a post.

    Attributes
    ----------
    probability, severity : dict of str to float
        Per label, in [0, 1], rounded to four digits.
    losses : mapping of str to ndarray, shape = (labels,)
        Per part: the probability less the probability without that part; see `Losses`.
    pictured : frozenset of str
        Labels of which an image says most, by what it shows or by the words in it: more than the text or any sound.
    """

    probability: dict[str, float]
    severity: dict[str, float]
    losses: Mapping[str, npt.NDArray[np.float64]]
    pictured: frozenset[str] = frozenset()

    def contributions(self, label: str) -> dict[str, float]:
        """What each part adds to one label's probability, rounded to four digits."""
        n = LABELS.index(label)
        return {name: round(float(loss[n]), 4) for name, loss in self.losses.items()}


def fusion_rows(parts: Sequence[ScoredPart]) -> list[Arrays]:
    """Inputs of the fusion model: first with every scored part, then without the first, the second, ...

    Parts of one name, an image and the text in it, are left out together.

    Parameters
    ----------
    parts : sequence of ScoredPart
        Only parts with outputs; none gives one row that is masked all over, whose scores are the priors.

    Returns
    -------
    list of mappings
        ``tokens`` float32 (S, 256), ``mask`` bool (S,), ``kind`` int64 (S,); 1 + len(names_of(parts)) rows.
    """
    tokens = [np.concatenate(_fused(scored.outputs)) for scored in parts]
    n_tokens = [len(part_tokens) for part_tokens in tokens]
    names = names_of(parts)
    owners = [names.index(scored.part.name) for scored in parts]
    owner = np.repeat(owners, n_tokens) if parts else np.full(N_TOKENS, -1)
    joined = np.concatenate(tokens) if parts else np.zeros((N_TOKENS, D_TOKEN), np.float32)
    kinds = [scored.part.modality.kind for scored in parts]
    kind = np.repeat(np.array(kinds, np.int64), n_tokens) if parts else np.zeros(N_TOKENS, np.int64)
    masks = [owner >= 0, *(owner != i for i in range(len(names)))]
    return [{"tokens": joined, "mask": mask, "kind": kind} for mask in masks]


def whole_row(part: ScoredPart) -> Arrays:
    """The first of `fusion_rows` for the only part of a post: most posts need no other."""
    tokens = _fused(part.outputs)
    joined = tokens[0] if len(tokens) == 1 else np.concatenate(tokens)
    return {"tokens": joined, **_alone(len(joined), part.part.modality.kind)}


@lru_cache(maxsize=1024)
def _alone(n_tokens: int, kind: int) -> Arrays:
    """What the tokens of an only part come with; the same for all as many of its kind."""
    arrays = {"mask": np.ones(n_tokens, np.bool_), "kind": np.full(n_tokens, kind, np.int64)}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def names_of(parts: Sequence[ScoredPart]) -> list[str]:
    """What is left out in turn: the names of the parts, each once, in order."""
    return list(dict.fromkeys(scored.part.name for scored in parts))


def most_telling(logits: npt.NDArray[Any]) -> list[int]:
    """Which rows of a part go into the fusion, in their order: at most `MAX_FUSED_ROWS`.

    Those that have a label's highest logit come first, from the label with the highest one on; then the loudest others.

    Parameters
    ----------
    logits : ndarray, shape = (rows, labels)
    """
    if len(logits) <= MAX_FUSED_ROWS:
        return list(range(len(logits)))
    labels = np.argsort(-logits.max(axis=0), kind="stable")
    loudest = np.argsort(-logits.max(axis=1), kind="stable")
    ranked = dict.fromkeys([*logits.argmax(axis=0)[labels].tolist(), *loudest.tolist()])
    return sorted(list(ranked)[:MAX_FUSED_ROWS])


def _fused(outputs: Sequence[Arrays]) -> list[npt.NDArray[Any]]:
    """Tokens of a part's most telling rows."""
    if len(outputs) <= MAX_FUSED_ROWS:
        return [row["tokens"] for row in outputs]
    chosen = most_telling(np.stack([row["logits"] for row in outputs]))
    return [outputs[i]["tokens"] for i in chosen]


def read_scores(parts: Sequence[ScoredPart], outputs: Sequence[Arrays]) -> Scores:
    """Scores out of the fusion model's outputs for `fusion_rows(parts)`.

    Raises
    ------
    InferenceError
        An output is not a number: it would be under every threshold, and the post allowed.
    """
    if not all(map(math.isfinite, chain.from_iterable(array.tolist() for row in outputs for array in row.values()))):
        raise InferenceError(f"{FUSION.name}: outputs that are not numbers")
    whole = outputs[0]
    probability, severity = _round_all(_probabilities(whole["logits"].tolist())), _round_all(whole["severity"].tolist())
    losses = Losses(whole, dict(zip(names_of(parts), outputs[1:], strict=True)))
    return Scores(probability, severity, losses, find_pictured(parts))


def read_first_look(look: FirstLook) -> Scores:
    """Scores of a post whose text the first stage cleared: those that it expects. It says nothing of severity."""
    return Scores(_round_all(_probabilities(look.logits.tolist())), _round_all([0.0] * len(LABELS)), {})


class Losses(Mapping[str, npt.NDArray[np.float64]]):
    """What each part adds to the probabilities of a post, computed for who asks: nobody does where nothing is found.

    Parameters
    ----------
    whole : Arrays
        The fusion model's outputs for the post.
    without : mapping of str to Arrays
        The same without each part.
    """

    def __init__(self, whole: Arrays, without: Mapping[str, Arrays]) -> None:
        self._whole = whole
        self._without = without

    def __getitem__(self, name: str) -> npt.NDArray[np.float64]:
        return _probability(self._whole["logits"]) - _probability(self._without[name]["logits"])

    def __iter__(self) -> Iterator[str]:
        return iter(self._without)

    def __len__(self) -> int:
        return len(self._without)


def find_pictured(parts: Sequence[ScoredPart]) -> frozenset[str]:
    """Labels whose highest logit is an image's, or that of the words in one; see `Scores.pictured`."""
    if not any(scored.part.name.startswith(_IMAGE) for scored in parts):
        return frozenset()
    rows: dict[bool, list[npt.NDArray[Any]]] = {True: [], False: []}
    for scored in parts:
        rows[scored.part.name.partition(":")[0] == _IMAGE] += [row["logits"] for row in scored.outputs]
    own, others = rows[True], rows[False]
    if not own:
        return frozenset()
    is_highest = np.max(own, axis=0) > (np.max(others, axis=0) if others else -np.inf)
    return frozenset(label for label, highest in zip(LABELS, is_highest, strict=True) if highest)


def highest_of(parts: Sequence[ScoredPart]) -> Scores:
    """The encoders' own scores, the highest per label: all there is when the fusion model does not answer."""
    rows = [outputs["logits"] for scored in parts for outputs in scored.outputs if np.isfinite(outputs["logits"]).all()]
    highest = _probabilities(np.max(rows, axis=0).tolist()) if rows else [0.0] * len(LABELS)
    return Scores(_round_all(highest), _round_all([0.0] * len(LABELS)), {}, find_pictured(parts))


def _probability(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return sigmoid(logits.astype(np.float64))


def _probabilities(logits: list[float]) -> list[float]:
    """As `_probability`: Python goes through a label each in less time than NumPy is called."""
    return [1 / (1 + math.exp(min(-logit, _MAX_EXPONENT))) for logit in logits]


def _round_all(values: list[float]) -> dict[str, float]:
    """Values per label, rounded to four digits as NumPy does."""
    return dict(zip(LABELS, [round(value * 1e4) / 1e4 for value in values], strict=True))
