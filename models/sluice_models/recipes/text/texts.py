"""Texts of the bundle for training: a pass over its sources, and what counts where a row does not say."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.schema import HARMS, LABELS
from sluice_models.config import TextRecipe
from sluice_models.data.bundle import Example
from sluice_models.recipes.text.templates import SOURCE

CUES = len(HARMS)
"""Labels from here on are carried by pictures or sound; a text has none of them."""
RELATED = ("weapons", "spam", "fraud", "gambling", "illicit")
"""A row positive for one of these may well be so for another: no weak zeros there."""
ABUSE = ("toxicity", "hate", "harassment")
BESIDE_ABUSE = ("threat", "violence", "sexual")
"""What an abusive row may have too, more often than others."""
RARE = [LABELS.index(label) for label in ("threat", "violence", "self_harm", "spam", "fraud", "gambling", "illicit")]
Float32 = npt.NDArray[np.float32]


def sample_pass(examples: list[Example], max_rows: dict[str, int], seed: int) -> list[Example]:
    """One pass: of each source at most so many rows with rare harms, and so many others; in random order."""
    rng = random.Random(seed)
    by_source: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_source[example.source].append(example)
    chosen: list[Example] = []
    for source, own in by_source.items():
        rare = [row for row in own if (row.targets[RARE] == 1).any()]
        common = [row for row in own if not (row.targets[RARE] == 1).any()]
        limit = max_rows.get(source, len(own))
        chosen += rng.sample(rare, min(limit, len(rare))) + rng.sample(common, min(limit, len(common)))
    rng.shuffle(chosen)
    return chosen


def complete_targets(example: Example, recipe: TextRecipe) -> tuple[Float32, Float32]:
    """Targets and weights, shape = (labels,): cues are 0, and labels that hardly ever occur unsaid are weakly 0."""
    targets = example.targets.copy()
    weights = np.full(len(targets), recipe.source_weights.get(example.source, 1.0), np.float32)
    targets[CUES:] = 0.0
    if example.source == SOURCE:
        return targets, weights
    related, abusive = _has_any(targets, RELATED), _has_any(targets, ABUSE)
    for label in recipe.weak_zeros:
        index = LABELS.index(label)
        if np.isnan(targets[index]) and not (related and label in RELATED):
            is_near = abusive and label in BESIDE_ABUSE
            targets[index] = 0.0
            weights[index] = recipe.weak_weight_beside_abuse if is_near else recipe.weak_weight
    return targets, weights


def _has_any(targets: Float32, labels: tuple[str, ...]) -> bool:
    return any(targets[LABELS.index(label)] == 1 for label in labels)


def find_rationales(text: str, meta: dict[str, Any]) -> Iterator[tuple[int, int, float]]:
    """Where HateXplain's tokens stand in the text, and what share of the annotators chose each."""
    position = 0
    for token, share in zip(meta["tokens"], meta["rationale"], strict=False):
        start = text.find(token, position)
        if start >= 0:
            position = start + len(token)
            yield start, position, float(share)
