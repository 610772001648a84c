"""Whether two rows gave the same answers to the same posts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from sluice.verdict.models_used import is_cleared

MAX_DIFFERENCE = 0.01
"""Between two scores of one label, above which they are not the same: sums in another order come to less."""


class _Answer(msgspec.Struct):
    """What a verdict and a peer's answer have in common."""

    post_id: str
    decision: str
    scores: dict[str, float]
    modalities: dict[str, str] = {}
    models: dict[str, str] = {}

    @property
    def is_cleared(self) -> bool:
        """Whether the scores are only those that a first stage expects."""
        return is_cleared(self.models)

    @property
    def is_whole(self) -> bool:
        """Whether everything of the post was read, in a language that counts as read: peers do not ask."""
        return all(status == "ok" for status in self.modalities.values())


@dataclass(frozen=True)
class Agreement:
    """How far the answers of a row are those of the reference.

    Attributes
    ----------
    n_compared, n_same : int
        Posts that both answered whole, and those of them with one decision and with scores within `MAX_DIFFERENCE`. Of
        posts that one of them cleared at first sight, the decision alone counts.
    max_difference : float
        Of any score of the others, in [0, 1].
    """

    n_compared: int
    n_same: int
    max_difference: float


def compare(reference: Mapping[str, bytes], other: Mapping[str, bytes]) -> Agreement:
    """Compare what two rows said of the posts that both have answered."""
    pairs = [pair for pair in _decode_pairs(reference, other) if pair[0].is_whole and pair[1].is_whole]
    differences = [_difference(*pair) for pair in pairs]
    n_same = sum(
        one.decision == two.decision and difference <= MAX_DIFFERENCE
        for (one, two), difference in zip(pairs, differences, strict=True)
    )
    return Agreement(len(pairs), n_same, max(differences, default=0.0))


def _decode_pairs(reference: Mapping[str, bytes], other: Mapping[str, bytes]) -> Iterator[tuple[_Answer, _Answer]]:
    for post_id in reference.keys() & other.keys():
        yield tuple(msgspec.json.decode(answers[post_id], type=_Answer) for answers in (reference, other))  # type: ignore[misc]


def _difference(one: _Answer, two: _Answer) -> float:
    if one.is_cleared or two.is_cleared:
        return 0.0
    return max(abs(one.scores[label] - two.scores.get(label, 1.0)) for label in one.scores)
