"""Figures on sources that are never trained on: those under non-commercial terms.

They are read here and nowhere else: no weight, no calibration and no threshold has seen them. A source with rows of one
kind alone is compared with harmless rows of its language from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.schema import LABELS
from sluice_models.measure.context import DecisionThresholds, EvaluationContext, thresholds_of
from sluice_models.measure.report import DASH, Evaluation, Report, Table, permille
from sluice_models.measure.scores import find_reached
from sluice_models.measure.source_figures import MIN_ROWS, OWN_NEGATIVES, SOURCE_COLUMNS, SourceRow, compare
from sluice_models.measure.unused_rows import ScoredRows

ELSEWHERE = "harmless rows from elsewhere"
CARRIED = {"text": LABELS, "image": ("weapons", "fire"), "audio": ("gunshot", "scream", "shouting")}
"""Labels that a text, a picture or a clip is scored for here."""


@dataclass(frozen=True)
class FalseAlarmRow:
    """How many harmless rows of a source reach review, and block, on any label; shares in [0, 1]."""

    modality: str
    source: str
    language: str
    n_rows: int
    reviewed: float
    blocked: float


def report_rows(rows: ScoredRows, labels: Sequence[str]) -> Iterator[SourceRow]:
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
                yield SourceRow(source, language, label, negatives, *counts, *figures, rows.modality)


def count_alarms(rows: ScoredRows, thresholds: DecisionThresholds) -> Iterator[FalseAlarmRow]:
    """Sources with rows that are known to be harmless: as fully annotated as any of the source, and all 0."""
    targets = rows.targets
    n_known = (~np.isnan(targets)).sum(axis=1)
    for source, language, own in rows.groups():
        harmless = own & ~(targets == 1).any(axis=1) & (n_known == n_known[own].max())
        if harmless.sum() >= MIN_ROWS:
            reached = (find_reached(rows.scores[harmless], each) for each in (thresholds.review, thresholds.block))
            shares = [float(labels.any(axis=1).mean()) for labels in reached]
            yield FalseAlarmRow(rows.modality, source, language, int(harmless.sum()), *shares)


class Unseen(Report[SourceRow]):
    """Every label of every source that is never trained on."""

    name, title = "unseen", "sources that are never trained on"

    def measure(self, context: EvaluationContext) -> Iterator[SourceRow]:
        """Texts, then images, then clips."""
        for rows in context.unused:
            yield from report_rows(rows, CARRIED[rows.modality])

    def tables(self, evaluation: Evaluation) -> Iterator[Table[SourceRow]]:
        """One."""
        yield Table("unseen", SOURCE_COLUMNS, evaluation.of(Unseen))


class FalseAlarms(Report[FalseAlarmRow]):
    """How many harmless rows of those sources reach review and block."""

    name, title = "alarms", "false alarms on the same sources"

    def measure(self, context: EvaluationContext) -> Iterator[FalseAlarmRow]:
        """Texts, then images, then clips."""
        for rows in context.unused:
            yield from count_alarms(rows, thresholds_of(context.policy, rows.modality))

    def tables(self, evaluation: Evaluation) -> Iterator[Table[FalseAlarmRow]]:
        """One."""
        columns = {
            "modality": lambda row: row.modality,
            "source": lambda row: row.source,
            "language": lambda row: row.language or DASH,
            "harmless rows": lambda row: row.n_rows,
            "reach review": lambda row: permille(row.reviewed),
            "reach block": lambda row: permille(row.blocked),
        }
        yield Table("false-alarms", columns, evaluation.of(FalseAlarms))
