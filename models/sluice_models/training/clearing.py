"""Which texts a first stage may clear: in which languages, and below which suspicion in each.

In each language, at most `MAX_LOST` of the validation positives of each label that the other models find may be
cleared, and as many of all of them: none where there are fewer than a thousand. So it is with other harmful texts that
they flag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.intervals import Bools
from sluice_models.recipes.text.taught import Float32, Taught

MAX_LOST = 0.001
"""Of the positives that the other models find."""
MIN_FOUND = 500
"""By default. That none of 60 to 170 is lost says too little: with so few, a plain threat in Russian was cleared."""
MIN_CLEARED = 0.02
"""Of the texts in a language that the other models do not flag; where fewer would be cleared none is."""


@dataclass(frozen=True)
class Looked:
    """Texts that all models have read, and how suspicious the first stage finds them, shape = (n,)."""

    taught: Taught
    suspicion: Float32

    def choose(self, chosen: Bools) -> Looked:
        """Some of the texts, shape = (n,), in their order."""
        return Looked(self.taught.choose(chosen), self.suspicion[chosen])


@dataclass(frozen=True)
class Clearing:
    """What may be cleared.

    Attributes
    ----------
    limits : mapping of str to float
        By language, the suspicion below which a text in it is cleared.
    """

    limits: Mapping[str, float]

    def clears(self, texts: Looked) -> Bools:
        """Which texts are cleared, shape = (n,): read whole, in one of the languages, and unsuspicious for it."""
        limits = np.array([self.limits.get(str(code), -np.inf) for code in texts.taught.languages], np.float32)
        return np.asarray(texts.taught.is_whole & (texts.suspicion < limits))


def choose_clearing(
    texts: Looked,
    thresholds: Float32,
    read: Sequence[str],
    harmful: Sequence[Looked] = (),
    min_found: int = MIN_FOUND,
) -> Clearing:
    """The highest limit that each language allows.

    Parameters
    ----------
    texts : Looked
        Of the validation split.
    thresholds : ndarray, shape = (labels,)
        Logits from which on a policy asks for a review.
    read : sequence of str
        Languages that the text encoder reads, and what stands for texts whose language cannot be told.
    harmful : sequence of Looked
        Kinds of other texts, all of them harmful.
    min_found : int
        Positives that are found in a language before texts in it are cleared at all.
    """
    flagged = [each.choose(each.taught.flagged(thresholds)) for each in harmful]
    limits = {}
    for code in sorted(read):
        here, others = _in_language(texts, code), [_in_language(each, code) for each in flagged]
        if int(here.taught.found(thresholds).any(axis=1).sum()) >= min_found:
            limits[code] = min(_limit(group) for group in (*_groups(here, thresholds), *others))
    return Clearing({code: limit for code, limit in limits.items() if _is_worthwhile(texts, thresholds, code, limit)})


def _in_language(texts: Looked, code: str) -> Looked:
    return texts.choose(np.asarray(texts.taught.languages == code))


def _groups(here: Looked, thresholds: Float32) -> Iterator[Looked]:
    """Found positives of each label, and of all."""
    found = here.taught.found(thresholds)
    yield from (here.choose(column) for column in found.T)
    yield here.choose(found.any(axis=1))


def _limit(group: Looked) -> float:
    """The highest limit below which lie no more than may be lost of the group."""
    n_lost = int(MAX_LOST * len(group.taught))
    lowest = np.sort(group.suspicion[group.taught.is_whole])
    return float(lowest[n_lost]) if len(lowest) > n_lost else np.inf


def _is_worthwhile(texts: Looked, thresholds: Float32, code: str, limit: float) -> bool:
    benign = ~texts.taught.flagged(thresholds) & (texts.taught.languages == code)
    cleared = benign & Clearing({code: limit}).clears(texts)
    return int(cleared.sum()) >= MIN_CLEARED * int(benign.sum())
