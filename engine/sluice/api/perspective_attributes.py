"""Perspective's attributes in our labels, or that no label says them.

Names as listed by Perspective's documentation (https://developers.perspectiveapi.com/s/about-the-api-attributes-and-languages).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sluice.schema import Verdict

Score = Callable[[Verdict], float]
"""A verdict → a value in [0, 1]."""


def _score(label: str, verdict: Verdict) -> float:
    return verdict.scores[label]


def _severe(label: str, verdict: Verdict) -> float:
    return verdict.scores[label] * verdict.severity[label]


def _label(label: str) -> Score:
    return partial(_score, label)


PRODUCTION: dict[str, Score] = {
    "TOXICITY": _label("toxicity"),
    "SEVERE_TOXICITY": partial(_severe, "toxicity"),
    "IDENTITY_ATTACK": _label("hate"),
    "INSULT": _label("harassment"),
    "PROFANITY": _label("profanity"),
    "THREAT": _label("threat"),
}
EXPERIMENTAL: dict[str, Score] = {
    **{f"{name}_EXPERIMENTAL": score for name, score in PRODUCTION.items()},
    "SEXUALLY_EXPLICIT": _label("sexual"),
}
NEW_YORK_TIMES: dict[str, Score] = {
    "ATTACK_ON_AUTHOR": _label("harassment"),
    "ATTACK_ON_COMMENTER": _label("harassment"),
    "INFLAMMATORY": _label("toxicity"),
    "OBSCENE": _label("profanity"),
    "SPAM": _label("spam"),
}
SCORES: dict[str, Score] = PRODUCTION | EXPERIMENTAL | NEW_YORK_TIMES
"""What is answered."""

UNSUPPORTED = frozenset(
    {"FLIRTATION", "INCOHERENT", "LIKELY_TO_REJECT", "UNSUBSTANTIAL"}
    | {
        f"{name}_EXPERIMENTAL"
        for name in (
            "AFFINITY", "COMPASSION", "CURIOSITY", "NUANCE", "PERSONAL_STORY", "REASONING", "RESPECT",
            "ALIENATION", "FEARMONGERING", "GENERALIZATION", "MORAL_OUTRAGE", "POWER_APPEAL", "SCAPEGOATING",
        )
    }
)  # fmt: skip
"""What Perspective has and no label of ours says."""
