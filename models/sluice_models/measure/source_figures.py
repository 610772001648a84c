"""Figures of one source that training did not see, per label and language."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.intervals import (
    Bools,
    Figure,
    Floats,
    draw_counts,
    find_interval,
    resample_auprc,
    resample_auroc,
)
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure.report import DASH, Columns

OWN_NEGATIVES = "its own"
MIN_ROWS = 20
"""Of either kind, for a figure."""
RARE_LABELS = ("threat", "violence", "self_harm", "sexual", "fraud", "gambling", "weapons", "illicit")
"""Their positives are all kept in a sample."""
ASSUMED_ZERO = {"edos": "hate", "swsr": "hate"}
"""Sources that were annotated for one kind of hate: rows in which it was not found count as 0 here."""


@dataclass(frozen=True)
class Sample:
    """Rows of a source, and how many of its rows each stands for, shape = (n,)."""

    rows: list[Example]
    weights: Floats


@dataclass(frozen=True)
class SourceRow:
    """One label of a source; `negatives` says where the rows annotated 0 are from.

    Counts are of the rows that were scored; where the source was sampled, each row counts for as many as it stands for.
    """

    source: str
    language: str
    label: str
    negatives: str
    n_positives: int
    n_negatives: int
    auroc: Figure
    auprc: Figure
    modality: str = "text"


SOURCE_COLUMNS: Columns[SourceRow] = {
    "modality": lambda row: row.modality,
    "label": lambda row: row.label,
    "language": lambda row: row.language or DASH,
    "source": lambda row: row.source,
    "rows that are 0": lambda row: row.negatives,
    "1": lambda row: row.n_positives,
    "0": lambda row: row.n_negatives,
    "AUROC": lambda row: row.auroc,
    "AUPRC": lambda row: row.auprc,
}


@dataclass(frozen=True)
class SourcesMean:
    """Plain means over sources, and the lowest and highest of their AUROCs."""

    language: str
    label: str
    n_sources: int
    auroc: float
    lowest: float
    highest: float
    auprc: float


def sample_source(rows: Sequence[Example], n_rows: int, seed: int = 0, n_rare: int | None = None) -> Sample:
    """At most `n_rows` rows drawn evenly, besides those that have a rare label: all, or at most `n_rare`."""
    columns = [LABELS.index(label) for label in RARE_LABELS]
    rare = [row for row in rows if (row.targets[columns] == 1).any()]
    common = [row for row in rows if not (row.targets[columns] == 1).any()]
    rng = random.Random(seed)
    drawn = rng.sample(common, min(n_rows, len(common)))
    kept = rare if n_rare is None or n_rare >= len(rare) else rng.sample(rare, n_rare)
    weights = [len(rare) / max(len(kept), 1)] * len(kept) + [len(common) / max(len(drawn), 1)] * len(drawn)
    return Sample(kept + drawn, np.array(weights, np.float32))


def read_truths(rows: Sequence[Example]) -> Floats:
    """Targets, shape = (n, labels), with what `ASSUMED_ZERO` says."""
    truths = np.stack([row.targets for row in rows])
    for number, row in enumerate(rows):
        index = LABELS.index(ASSUMED_ZERO[row.source]) if row.source in ASSUMED_ZERO else None
        if index is not None and np.isnan(truths[number, index]):
            truths[number, index] = 0.0
    return truths


def report_source(sample: Sample, scores: Floats) -> Iterator[SourceRow]:
    """Every label that one source has both kinds of, language by language; `scores`, shape = (n, labels)."""
    truths = read_truths(sample.rows)
    languages = np.array([row.lang or "" for row in sample.rows])
    for language in sorted({row.lang or "" for row in sample.rows}):
        chosen = languages == language
        columns = truths[chosen], scores[chosen], sample.weights[chosen]
        for index, label in enumerate(LABELS):
            known = ~np.isnan(columns[0][:, index])
            positive = columns[0][known, index] == 1
            report = compare(columns[1][known, index], positive, columns[2][known])
            if report:
                negatives = OWN_NEGATIVES
                if ASSUMED_ZERO.get(sample.rows[0].source) == label:
                    negatives = "its own, assumed"
                counts = int(positive.sum()), int((~positive).sum())
                yield SourceRow(sample.rows[0].source, language, label, negatives, *counts, *report)


def compare(scores: Floats, positive: Bools, weights: Floats) -> tuple[Figure, Figure] | None:
    """AUROC and AUPRC of rows, shape = (n,), each counting for `weights`; None with too few of either kind."""
    if min(positive.sum(), (~positive).sum()) < MIN_ROWS:
        return None
    counts = draw_counts(len(positive)) * weights
    return (
        find_interval(resample_auroc(scores, positive, counts)),
        find_interval(resample_auprc(scores, positive, counts)),
    )


def average_sources(reports: Iterable[SourceRow]) -> list[SourcesMean]:
    """Means over the sources whose own rows were annotated 0, for every label and language."""
    groups: dict[tuple[str, str], list[SourceRow]] = {}
    for report in reports:
        if report.negatives == OWN_NEGATIVES:
            groups.setdefault((report.language, report.label), []).append(report)
    order = sorted(groups, key=lambda key: (key[0], LABELS.index(key[1])))
    return [_average(*key, groups[key]) for key in order]


def _average(language: str, label: str, reports: Sequence[SourceRow]) -> SourcesMean:
    areas = [report.auroc.value for report in reports]
    precision = float(np.mean([report.auprc.value for report in reports]))
    return SourcesMean(language, label, len(reports), float(np.mean(areas)), min(areas), max(areas), precision)
