"""Measures on sources that are never trained on: those under non-commercial terms.

They are read here and nowhere else: no weight, no calibration and no threshold has seen them. A source with rows of one
kind alone is compared with harmless rows of its language from elsewhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sluice.schema import LABELS
from sluice_models.data.bundle import Example, MediaName, read_unused_media, read_unused_texts
from sluice_models.measure.intervals import Bools, Floats
from sluice_models.measure.score_media import MediaScorer
from sluice_models.measure.score_texts import TextScorer
from sluice_models.measure.source_figures import MIN_ROWS, OWN_NEGATIVES, SourceReport, compare

N_TEXTS = 1_200
"""Of a source."""
N_HARMLESS = 400
"""Texts of the validation split per language, for sources without any of their own."""
ELSEWHERE = "harmless rows from elsewhere"
CARRIED = {"image": ("weapons", "fire"), "audio": ("gunshot", "scream", "shouting")}
"""Labels that a picture or a clip is scored for here."""


@dataclass(frozen=True)
class FalseAlarms:
    """How many harmless rows of a source reach review, and block, on any label; shares in [0, 1]."""

    modality: str
    source: str
    language: str
    n_rows: int
    reviewed: float
    blocked: float


@dataclass(frozen=True)
class Limits:
    """Scores from which a policy asks for a review, and blocks, by label; a label that is missing never does."""

    review: Mapping[str, float]
    block: Mapping[str, float]


@dataclass(frozen=True)
class Rows:
    """Scored rows, arrays of shape = (n, labels); the last ones are harmless texts from elsewhere."""

    modality: str
    examples: list[Example]
    scores: Floats
    n_unused: int

    @property
    def targets(self) -> Floats:
        """What was annotated."""
        return np.stack([example.targets for example in self.examples])

    def groups(self) -> Iterator[tuple[str, str, Bools]]:
        """Every unused source in each of its languages, and which rows are its own, shape = (n,)."""
        keys = [(row.source, row.lang or "") for row in self.examples]
        for source, language in sorted(set(keys[: self.n_unused])):
            own = np.array([key == (source, language) for key in keys])
            yield source, language, own & (np.arange(len(keys)) < self.n_unused)


def measure_unused_texts(
    scorer: TextScorer, bundle: Path, validation: Sequence[Example], limits: Limits
) -> tuple[list[SourceReport], list[FalseAlarms]]:
    """Every label of every unused source of texts; `validation` gives harmless texts to compare with."""
    unused = [row for source in _split(read_unused_texts(bundle)) for row in _draw(source, N_TEXTS)]
    if not unused:
        return [], []
    examples = unused + _draw_harmless(validation)
    rows = Rows("text", examples, scorer.score([row.text or "" for row in examples]), len(unused))
    return list(report_rows(rows, LABELS)), list(count_alarms(rows, limits))


def measure_unused_media(
    scorer: MediaScorer, bundle: Path, modality: MediaName, limits: Limits
) -> tuple[list[SourceReport], list[FalseAlarms]]:
    """The same for images or clips, and the labels that they carry."""
    examples, scores = scorer.score(read_unused_media(bundle, modality))
    if not examples:
        return [], []
    rows = Rows(scorer.modality, examples, scores, len(examples))
    return list(report_rows(rows, CARRIED[scorer.modality])), list(count_alarms(rows, limits))


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


def report_rows(rows: Rows, labels: Sequence[str]) -> Iterator[SourceReport]:
    """Positives of each source against its own negatives, or else against all harmless rows of its language."""
    targets = rows.targets
    languages = np.array([row.lang or "" for row in rows.examples])
    harmless = ~(targets == 1).any(axis=1)
    for source, language, own in rows.groups():
        elsewhere = own | (harmless & (languages == language))
        for index, label in enumerate(LABELS):
            if label not in labels:
                continue
            has_own = (targets[own, index] == 0).sum() >= MIN_ROWS
            chosen = (own if has_own else elsewhere) & ~np.isnan(targets[:, index])
            positive = targets[chosen, index] == 1
            figures = compare(rows.scores[chosen, index], positive, np.ones(len(positive), np.float32))
            if figures:
                negatives = OWN_NEGATIVES if has_own else ELSEWHERE
                counts = int(positive.sum()), int((~positive).sum())
                yield SourceReport(source, language, label, negatives, *counts, *figures, rows.modality)


def count_alarms(rows: Rows, limits: Limits) -> Iterator[FalseAlarms]:
    """Sources with rows that are known to be harmless: as fully annotated as any of the source, and all 0."""
    targets = rows.targets
    n_known = (~np.isnan(targets)).sum(axis=1)
    for source, language, own in rows.groups():
        harmless = own & ~(targets == 1).any(axis=1) & (n_known == n_known[own].max())
        if harmless.sum() >= MIN_ROWS:
            shares = [_share_reached(rows.scores[harmless], each) for each in (limits.review, limits.block)]
            yield FalseAlarms(rows.modality, source, language, int(harmless.sum()), *shares)


def _share_reached(scores: Floats, limits: Mapping[str, float]) -> float:
    thresholds = np.array([limits.get(label, np.inf) for label in LABELS])
    return float((scores >= thresholds).any(axis=1).mean())
