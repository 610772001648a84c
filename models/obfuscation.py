"""Spells texts as people do who hide from filters: four tricks of our own, seeded; and what they cost."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.schema import LABELS
from models.bundle import Example
from models.intervals import Bools, Figure, Floats, draw_counts, find_interval, resample_auprc
from models.score_texts import TextScorer

WORD_SHARE = 0.5
"""Of the words of a text that are changed; the others are left as they are."""
MIN_POSITIVES = 20
_LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"})
_LOOK_ALIKE = str.maketrans(
    {"a": "а", "c": "с", "e": "е", "i": "і", "o": "о", "p": "р", "s": "ѕ", "x": "х", "y": "у"}
)  # Cyrillic
_UNSEEN = "\u200b"


def _is_han(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def _leet(word: str) -> str:
    return word.lower().translate(_LEET)


def _space(word: str) -> str:
    return " ".join(word)


def _look_alike(word: str) -> str:
    return word.translate(_LOOK_ALIKE)


def _hide_gaps(word: str) -> str:
    return _UNSEEN.join(word)


TRICKS: dict[str, Callable[[str], str]] = {
    "leetspeak": _leet,
    "spacing": _space,
    "homoglyphs": _look_alike,
    "zero-width": _hide_gaps,
}


def obfuscate(text: str, trick: str, chance: random.Random) -> str:
    """Change about half of the words of three letters and more; Chinese runs, which have no gaps, count as words."""
    words = text.split(" ")
    return " ".join(
        TRICKS[trick](word) if _can_change(word) and chance.random() < WORD_SHARE else word for word in words
    )


def _can_change(word: str) -> bool:
    return len(word) >= 3 or (len(word) >= 2 and _is_han(word))


@dataclass(frozen=True)
class Robustness:
    """AUPRC of one label on the same texts, plain and tricked; `kept` is the second over the first."""

    trick: str
    language: str
    label: str
    n_positives: int
    plain: Figure
    tricked: Figure
    drop: Figure
    kept: float


def measure_robustness(scorer: TextScorer, examples: Sequence[Example], n_rows: int, seed: int = 0) -> list[Robustness]:
    """Every trick on a seeded sample per language, harmful and harmless texts alike."""
    reports = []
    for language in ("en", "zh"):
        rows = [example for example in examples if example.lang == language]
        sample = random.Random(seed).sample(rows, min(n_rows, len(rows)))
        if sample:
            reports += _measure_language(scorer, sample, language, seed)
    return reports


def _measure_language(scorer: TextScorer, sample: Sequence[Example], language: str, seed: int) -> list[Robustness]:
    plain = scorer.score([example.text or "" for example in sample])
    targets = np.stack([example.targets for example in sample])
    reports = []
    for trick in TRICKS:
        if language == "zh" and trick in ("leetspeak", "homoglyphs"):
            continue  # there is nothing to change in Chinese characters
        chance = random.Random(seed)
        tricked = scorer.score([obfuscate(example.text or "", trick, chance) for example in sample])
        for index, label in enumerate(LABELS):
            known = ~np.isnan(targets[:, index])
            positive = targets[known, index] == 1
            if min(positive.sum(), (~positive).sum()) >= MIN_POSITIVES:
                columns = plain[known, index], tricked[known, index]
                reports.append(_compare(trick, language, label, *columns, positive))
    return reports


def _compare(trick: str, language: str, label: str, plain: Floats, tricked: Floats, positive: Bools) -> Robustness:
    counts = draw_counts(len(positive))
    before, after = (resample_auprc(scores, positive, counts) for scores in (plain, tricked))
    return Robustness(
        trick=trick,
        language=language,
        label=label,
        n_positives=int(positive.sum()),
        plain=find_interval(before),
        tricked=find_interval(after),
        drop=find_interval(before - after),
        kept=float(after[0] / before[0]),
    )
