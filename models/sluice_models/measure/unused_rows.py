"""Scored rows of the sources that are never trained on: those under non-commercial terms."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sluice.intervals import Bools, Floats
from sluice.schema import ModalityName
from sluice_models.data.bundle import Example, MediaName, read_unused_media, read_unused_texts
from sluice_models.measure.score_media import MediaScorer
from sluice_models.measure.score_texts import TextScorer

N_TEXTS = 200
"""Of a source."""
N_HARMLESS = 400
"""Texts of the validation split per language, for sources without any of their own."""


@dataclass(frozen=True)
class ScoredRows:
    """Scored rows, arrays of shape = (n, labels); the last ones are harmless texts from elsewhere."""

    modality: ModalityName
    examples: list[Example]
    scores: Floats
    n_unused: int

    @property
    def targets(self) -> Floats:
        """What was annotated, shape = (n, labels)."""
        return np.stack([example.targets for example in self.examples])

    def groups(self) -> Iterator[tuple[str, str, Bools]]:
        """Every unused source in each of its languages, and which rows are its own, shape = (n,)."""
        keys = [(row.source, row.lang or "") for row in self.examples]
        for source, language in sorted(set(keys[: self.n_unused])):
            own = np.array([key == (source, language) for key in keys])
            yield source, language, own & (np.arange(len(keys)) < self.n_unused)


def score_unused_texts(scorer: TextScorer, bundle: Path, validation: Sequence[Example]) -> ScoredRows | None:
    """A sample of every source; `validation` gives harmless texts to compare with. None if there is no source."""
    unused = [row for source in _split(read_unused_texts(bundle)) for row in _draw(source, N_TEXTS)]
    if not unused:
        return None
    examples = unused + _draw_harmless(validation)
    return ScoredRows("text", examples, scorer.score([row.text or "" for row in examples]), len(unused))


def score_unused_media(scorer: MediaScorer, bundle: Path, modality: MediaName) -> ScoredRows | None:
    """All images or clips that can be read; None if there are none."""
    examples, scores = scorer.score(read_unused_media(bundle, modality))
    return ScoredRows(scorer.modality, examples, scores, len(examples)) if examples else None


def _split(examples: Sequence[Example]) -> list[list[Example]]:
    by_source: dict[str, list[Example]] = {}
    for example in examples:
        by_source.setdefault(example.source, []).append(example)
    return list(by_source.values())


def _draw(rows: list[Example], n_rows: int) -> list[Example]:
    return random.Random(0).sample(rows, min(n_rows, len(rows)))


def _draw_harmless(validation: Sequence[Example]) -> list[Example]:
    harmless = [row for row in validation if not (row.targets == 1).any()]
    return [row for lang in ("en", "zh") for row in _draw([r for r in harmless if r.lang == lang], N_HARMLESS)]
