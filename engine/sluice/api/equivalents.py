"""What other services call their scores, and which of ours say the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, get_args

from sluice.api import azure, openai
from sluice.api.perspective_attributes import SCORES
from sluice.schema import Verdict

Service = Literal["perspective", "openai", "azure"]
SERVICES: tuple[Service, ...] = get_args(Service)
Score = Callable[[Verdict], float]


def equivalents_of(service: Service) -> Mapping[str, Score]:
    """By their name what we score in [0, 1]. Azure's severities are compared with the labels' probabilities."""
    if service == "perspective":
        return SCORES
    if service == "openai":
        categories = openai.CATEGORIES.items()
        return {name: partial(openai.lowest_score, labels=each.labels) for name, each in categories if each.labels}
    return {str(name): partial(_highest, labels=labels) for name, labels in azure.LABELS_OF.items()}


CUTS: dict[Service, tuple[float, ...]] = {
    "perspective": (0.5, 0.7, 0.8, 0.9),
    "openai": (0.2, 0.5, 0.8),
    "azure": (2, 4, 6),
}
"""Thresholds that are common there, on their scales."""


def _highest(verdict: Verdict, labels: tuple[str, ...]) -> float:
    return max(verdict.scores[label] for label in labels)
