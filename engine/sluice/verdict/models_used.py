"""Which models a verdict rests on, as it says in `models`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sluice.contract import FIRST_STAGE, FUSION
from sluice.modalities.scored import ScoredPart, find_clear

STAGE = "stage"
"""Beside the models' versions, where the first stage was asked: `FIRST` if it was enough, `FULL` if it was not."""
FIRST, FULL = "first", "full"
UNKNOWN = "unknown"
"""The version of a model that has not answered."""


def models_used(scored: Sequence[ScoredPart], versions: Mapping[str, str]) -> dict[str, str]:
    """Versions of the models that were asked about a post, by name, and its `STAGE`.

    Parameters
    ----------
    versions : mapping of str to str
        See `Classifier.versions`.
    """
    is_cleared = find_clear(scored) is not None
    modalities = {part.part.modality: None for part in scored}
    used = [] if is_cleared else [FUSION, *(model for each in modalities for model in (*each.read_by, each.model))]
    named = {model.name: versions.get(model.name, UNKNOWN) for model in used}
    if all(part.first_look is None for part in scored):
        return named
    stage = {STAGE: FIRST if is_cleared else FULL, FIRST_STAGE.name: versions.get(FIRST_STAGE.name, UNKNOWN)}
    return {**named, **stage}


def versions_of(models: Mapping[str, str]) -> dict[str, str]:
    """The versions alone, by model, of what a verdict's `models` say."""
    return {model: version for model, version in models.items() if model != STAGE}


def is_cleared(models: Mapping[str, str]) -> bool:
    """Whether a verdict's scores are only those that a first stage expects."""
    return models.get(STAGE) == FIRST
