"""Figures of a source by itself: what a sample stands for, and which rows count as 0."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from sluice.intervals import Figure
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure.report import DASH, Table
from sluice_models.measure.source_figures import (
    ASSUMED_ZERO,
    MIN_ROWS,
    OWN_NEGATIVES,
    RARE_LABELS,
    SOURCE_COLUMNS,
    SourceRow,
    average_sources,
    compare,
    read_truths,
    report_source,
    sample_source,
)

pytestmark = pytest.mark.torch
HATE = LABELS.index("hate")


def example(number: int, source: str = "made", lang: str | None = "en", **labels: float) -> Example:
    targets = np.array([labels.get(label, np.nan) for label in LABELS], np.float32)
    return Example(f"{source}-{number}", f"text {number}", None, lang, targets, source)


def row(label: str = "hate", language: str = "en", auroc: float = 0.5, auprc: float = 0.5, **changes) -> SourceRow:
    fields = {"source": "made", "negatives": OWN_NEGATIVES, "n_positives": 30, "n_negatives": 70} | changes
    return SourceRow(language=language, label=label, auroc=Figure(auroc, 0, 1), auprc=Figure(auprc, 0, 1), **fields)


@given(st.integers(0, 8), st.integers(0, 20), st.integers(0, 25))
def test_a_sample_stands_for_all_rows_and_keeps_every_rare_one(n_rare: int, n_common: int, n_rows: int) -> None:
    rows = [example(i, threat=1) for i in range(n_rare)] + [example(1000 + i, hate=1) for i in range(n_common)]
    sample = sample_source(rows, n_rows)
    assert len(sample.rows) == len(sample.weights) == n_rare + min(n_rows, n_common)
    assert [each.key for each in sample.rows[:n_rare]] == [each.key for each in rows[:n_rare]]
    if min(n_rows, n_common) or not n_common:
        assert sample.weights.sum() == pytest.approx(n_rare + n_common)
    assert len({each.key for each in sample.rows}) == len(sample.rows)


@pytest.mark.parametrize("label", RARE_LABELS)
def test_each_rare_label_is_kept_beside_the_sample(label: str) -> None:
    rows = [example(0, **{label: 1}), *(example(1 + i, **{label: 0}) for i in range(50))]
    assert len(sample_source(rows, 10).rows) == 11


def test_of_many_rare_rows_as_many_are_drawn_as_asked_for_and_stand_for_the_others() -> None:
    rows = [example(i, threat=float(i < 50)) for i in range(60)]
    sample = sample_source(rows, 5, n_rare=20)
    rare = [row.targets[LABELS.index("threat")] == 1 for row in sample.rows]
    assert sum(rare) == 20
    assert sample.weights.sum() == pytest.approx(60)
    assert set(sample.weights[rare].tolist()) == {2.5}


def test_another_seed_draws_other_rows() -> None:
    rows = [example(i, hate=1) for i in range(200)]
    first, again, other = (sample_source(rows, 20, seed) for seed in (0, 0, 1))
    assert [each.key for each in first.rows] == [each.key for each in again.rows]
    assert [each.key for each in first.rows] != [each.key for each in other.rows]


@pytest.mark.parametrize("source", ASSUMED_ZERO)
def test_what_a_source_looked_for_and_did_not_find_is_0(source: str) -> None:
    label = ASSUMED_ZERO[source]
    truths = read_truths([example(0, source), example(1, source, **{label: 1}), example(2, "other")])
    index = LABELS.index(label)
    assert truths[:2, index].tolist() == [0.0, 1.0]
    assert np.isnan(truths[2, index])
    assert np.isnan(np.delete(truths, index, axis=1)).all()


def test_reading_truths_changes_no_example() -> None:
    before = example(0, "edos")
    read_truths([before])
    assert np.isnan(before.targets).all()


@pytest.mark.parametrize(("n_positives", "n_negatives"), [(MIN_ROWS - 1, 100), (100, MIN_ROWS - 1)])
def test_with_too_few_of_either_kind_there_is_no_figure(n_positives: int, n_negatives: int) -> None:
    positive = np.arange(n_positives + n_negatives) < n_positives
    assert compare(np.zeros(len(positive), np.float32), positive, np.ones(len(positive), np.float32)) is None


def test_figures_are_those_of_an_independent_reference() -> None:
    rng = np.random.default_rng(3)
    positive = rng.random(300) < 0.3
    scores = (rng.normal(size=300) + positive).astype(np.float32)
    weights = rng.integers(1, 5, 300).astype(np.float32)
    auroc, auprc = compare(scores, positive, weights)
    assert auroc.value == pytest.approx(
        sklearn.metrics.roc_auc_score(positive, scores, sample_weight=weights), abs=1e-5
    )
    reference = sklearn.metrics.average_precision_score(positive, scores, sample_weight=weights)
    assert auprc.value == pytest.approx(reference, abs=1e-5)
    assert auroc.low < auroc.value < auroc.high


def test_a_row_whose_label_nobody_annotated_is_in_no_count() -> None:
    rows = [example(i, hate=float(i % 2)) for i in range(60)] + [example(100 + i, spam=0) for i in range(30)]
    scores = np.random.default_rng(0).random((90, len(LABELS))).astype(np.float32)
    (found,) = report_source(sample_source(rows, 1000), scores)
    assert (found.label, found.n_positives, found.n_negatives) == ("hate", 30, 30)


def test_rows_without_a_language_are_reported_together_and_shown_as_such() -> None:
    rows = [example(i, lang=None, hate=float(i % 2)) for i in range(60)]
    (found,) = report_source(sample_source(rows, 1000), np.zeros((60, len(LABELS)), np.float32))
    assert found.language == ""
    assert f"| {DASH} |" in Table("t", SOURCE_COLUMNS, [found]).markdown()


def test_means_are_plain_ones_in_the_order_of_languages_and_labels() -> None:
    rows = [
        row("toxicity", "zh", 0.9), row("hate", "zh", 0.8),
        row("hate", auroc=0.6, auprc=0.2), row("hate", auroc=0.9, auprc=0.4, n_positives=3000),
    ]  # fmt: skip
    means = average_sources(rows)
    assert [(mean.language, mean.label, mean.n_sources) for mean in means] == [
        ("en", "hate", 2), *sorted([("zh", "hate", 1), ("zh", "toxicity", 1)], key=lambda key: LABELS.index(key[1]))
    ]  # fmt: skip
    assert (means[0].auroc, means[0].lowest, means[0].highest) == pytest.approx((0.75, 0.6, 0.9))
    assert means[0].auprc == pytest.approx(0.3)


def test_only_figures_against_a_sources_own_rows_are_averaged() -> None:
    assert average_sources([row(negatives="its own, assumed"), row(negatives="elsewhere")]) == []
