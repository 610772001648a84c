"""Which texts a first stage may clear: from which suspicion on none, and in which languages.

Of each label's validation positives that the other models find at most `MAX_LOST` may be cleared, and as many of all
those in one language: none where there are fewer than a thousand. So it is with other harmful texts that they flag.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.intervals import Bools
from sluice_models.recipes.text.taught import Float32, Taught

MAX_LOST = 0.001
"""Of the positives that the other models find."""
MIN_FOUND = 50
"""Positives that are found in a language before texts in it are cleared at all."""


@dataclass(frozen=True)
class Looked:
    """Texts that all models have read, and how suspicious the first stage finds them, shape = (n,)."""

    taught: Taught
    suspicion: Float32

    def choose(self, chosen: Bools) -> Looked:
        """Some of the texts, in their order."""
        return Looked(self.taught.choose(chosen), self.suspicion[chosen])


@dataclass(frozen=True)
class Clearing:
    """What may be cleared.

    Attributes
    ----------
    threshold : float
        Suspicion below which a text is cleared.
    languages : tuple of str
        Codes of the languages that it may be in, sorted.
    """

    threshold: float
    languages: tuple[str, ...]

    def clears(self, texts: Looked) -> Bools:
        """Which texts are cleared, shape = (n,): unsuspicious, read whole, and in one of the languages."""
        return may_clear(texts.taught, self.languages) & (texts.suspicion < self.threshold)


NOTHING = Clearing(-np.inf, ())
"""What is cleared where too little was measured."""


def may_clear(taught: Taught, languages: Sequence[str]) -> Bools:
    """Texts that fit into one window and are in one of the languages."""
    return taught.is_whole & np.isin(taught.languages, languages)


def choose_clearing(
    texts: Looked, thresholds: Float32, read: Sequence[str], harmful: Sequence[Looked] = ()
) -> Clearing:
    """The languages and the threshold with which most texts are cleared that the other models do not flag.

    Languages are taken in one after the other, that first which alone would allow the highest threshold.

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
    """
    groups = [each.choose(each.taught.flagged(thresholds)) for each in harmful]
    benign = ~texts.taught.flagged(thresholds)
    alone = {
        code: _choose_threshold(texts, thresholds, groups, (code,)).threshold
        for code in _measured(texts.taught, thresholds, read)
    }
    ordered = sorted(alone, key=lambda code: -alone[code])
    nested = (tuple(sorted(ordered[:n])) for n in range(1, len(ordered) + 1))
    candidates = [_choose_threshold(texts, thresholds, groups, each) for each in nested]
    return max(candidates, key=lambda each: int((each.clears(texts) & benign).sum()), default=NOTHING)


def _measured(taught: Taught, thresholds: Float32, read: Sequence[str]) -> tuple[str, ...]:
    """Languages with enough positives to say anything of them."""
    counted = taught.languages[taught.found(thresholds).any(axis=1)]
    return tuple(code for code in sorted(read) if int((counted == code).sum()) >= MIN_FOUND)


def _choose_threshold(
    texts: Looked, thresholds: Float32, harmful: Sequence[Looked], languages: tuple[str, ...]
) -> Clearing:
    """The highest threshold that every label, language and kind of harmful text allows."""
    found = texts.taught.found(thresholds)
    groups = [texts.choose(group) for group in _groups(found, texts.taught, languages)]
    limits = [_limit(group, languages) for group in (*groups, *harmful)]
    return Clearing(min(limits, default=-np.inf), languages)


def _groups(found: Bools, taught: Taught, languages: Sequence[str]) -> Iterator[Bools]:
    """Found positives of each label, and of each language."""
    yield from found.T
    yield from (found.any(axis=1) & (taught.languages == code) for code in languages)


def _limit(group: Looked, languages: Sequence[str]) -> float:
    """The highest threshold below which lie no more than may be lost of the group."""
    n_lost = int(MAX_LOST * len(group.taught))
    lowest = np.sort(group.suspicion[may_clear(group.taught, languages)])
    return float(lowest[n_lost]) if len(lowest) > n_lost else np.inf
