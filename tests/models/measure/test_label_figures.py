"""Figures per label and source: which rows count, and what the tables mark."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics

from sluice.intervals import NO_FIGURE, Figure, draw_counts
from sluice.schema import LABELS
from sluice_models.measure.label_figures import (
    ALL_SOURCES,
    MAX_FUSION_LOSS,
    MIN_CALIBRATION_ROWS,
    MIN_POSITIVES,
    WITH_OURS,
    LabelFigures,
    LabelRow,
    measure_calibration,
    report_part,
)
from sluice_models.measure.report import Evaluation
from sluice_models.measure.scored_split import Scored
from sluice_models.recipes.fusion.encoded import OURS, Encoded, one_row_each

pytestmark = pytest.mark.torch
N_LABELS = len(LABELS)
SPAM = LABELS.index("spam")


def scored_rows(truths: list[float], scores: list[float] | None = None, sources: list[str] | None = None) -> Scored:
    """One label's rows; the encoder alone scores as the fusion does."""
    n_rows = len(truths)
    targets = np.full((n_rows, N_LABELS), np.nan, np.float32)
    targets[:, SPAM] = truths
    probabilities = np.zeros((n_rows, N_LABELS), np.float32)
    probabilities[:, SPAM] = truths if scores is None else scores
    part = Encoded(
        *one_row_each(np.zeros((n_rows, 1, 1), np.float32)), probabilities, targets, np.ones_like(targets), targets,
        sources or ["one"] * n_rows,
    )  # fmt: skip
    return Scored("text", part, probabilities, probabilities.copy(), probabilities.copy())


def by_source(scored: Scored, thresholds=None) -> dict[str, LabelRow]:
    return {row.source: row for row in report_part(scored, thresholds or {})}


@pytest.mark.parametrize(("n_positives", "n_negatives", "reported"), [
    (MIN_POSITIVES, MIN_POSITIVES, True), (MIN_POSITIVES - 1, 50, False), (50, MIN_POSITIVES - 1, False)
])  # fmt: skip
def test_a_label_needs_enough_rows_of_both_kinds(n_positives: int, n_negatives: int, reported: bool) -> None:
    rows = by_source(scored_rows([1.0] * n_positives + [0.0] * n_negatives))
    assert bool(rows) is reported


def test_counts_are_of_the_rows_that_say_so() -> None:
    row = by_source(scored_rows([1.0] * 6 + [0.0] * 9 + [math.nan] * 20))[ALL_SOURCES]
    assert (row.label, row.n_positives, row.n_negatives) == ("spam", 6, 9)


def test_rows_that_were_only_assumed_to_be_0_do_not_count() -> None:
    scored = scored_rows([1.0] * 6 + [0.0] * 20)
    scored.part.weights[-11:] = 0.3
    assert by_source(scored)[ALL_SOURCES].n_negatives == 9


def test_figures_are_those_of_an_independent_reference() -> None:
    rng = np.random.default_rng(5)
    truths = (rng.random(400) < 0.3).astype(float)
    scores = np.clip(rng.normal(0.3, 0.15, 400) + 0.2 * truths, 0, 1).astype(np.float32)
    row = by_source(scored_rows(list(truths), list(scores)), {"spam": 0.4})[ALL_SOURCES]
    assert row.auroc.value == pytest.approx(sklearn.metrics.roc_auc_score(truths, scores), abs=1e-5)
    assert row.auprc.value == pytest.approx(sklearn.metrics.average_precision_score(truths, scores), abs=1e-5)
    assert row.f1.value == pytest.approx(sklearn.metrics.f1_score(truths, scores >= 0.4), abs=1e-5)
    assert (scores[truths == 0] >= row.review).mean() <= 0.05
    assert (scores[truths == 0] >= row.block).mean() <= 0.005


def test_a_label_that_the_policy_leaves_out_flags_nothing() -> None:
    row = by_source(scored_rows([1.0] * 6 + [0.0] * 9))[ALL_SOURCES]
    assert row.f1.value == 0.0


def test_each_source_that_has_enough_stands_by_itself() -> None:
    sources = ["one"] * 20 + ["two"] * 20 + ["small"] * 4
    rows = by_source(scored_rows([1.0, 0.0] * 22, sources=sources))
    assert list(rows) == [ALL_SOURCES, "one", "two"]
    assert rows[ALL_SOURCES].n_positives == 22


def test_what_we_made_ourselves_is_in_a_row_of_its_own() -> None:
    rows = by_source(scored_rows([1.0, 0.0] * 20, sources=["one"] * 20 + [OURS] * 20))
    assert (rows[ALL_SOURCES].n_positives, rows[WITH_OURS].n_positives, rows[OURS].n_positives) == (10, 20, 10)
    assert WITH_OURS not in by_source(scored_rows([1.0, 0.0] * 20))


def test_a_gain_is_the_fusions_over_the_encoder_alone() -> None:
    scored = scored_rows([1.0, 0.0] * 20)
    scored.alone[:, SPAM] = 0.5
    row = by_source(scored)[ALL_SOURCES]
    assert (row.auprc.value, row.encoder_auprc) == (1.0, 0.5)
    assert row.gain.value == pytest.approx(0.5)
    assert row.gain.low > 0


def test_calibration_is_measured_on_cross_fitted_scores_with_rows_enough() -> None:
    scored = scored_rows([1.0, 0.0] * (MIN_CALIBRATION_ROWS // 2))
    assert by_source(scored)[ALL_SOURCES].ece.value == pytest.approx(0.0, abs=1e-6)
    scored.cross_fitted[:, SPAM] = 0.5
    assert by_source(scored)[ALL_SOURCES].ece.value == pytest.approx(0.0, abs=0.02)
    scored.cross_fitted[:, SPAM] = 0.9
    assert by_source(scored)[ALL_SOURCES].ece.value == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize(("n_rows", "measured"), [(MIN_CALIBRATION_ROWS - 1, False), (MIN_CALIBRATION_ROWS, True)])
def test_few_rows_have_no_calibration_error(n_rows: int, measured: bool) -> None:
    positive = np.arange(n_rows) % 2 == 0
    found = measure_calibration(np.full(n_rows, 0.5, np.float32), positive, draw_counts(n_rows))
    assert math.isnan(found.value) is not measured


def make_row(gain: float, source: str = ALL_SOURCES) -> LabelRow:
    figure = Figure(0.5, 0.4, 0.6)
    figures = figure, figure, figure, figure, NO_FIGURE
    return LabelRow("text", "spam", source, 7, 9, *figures, 0.5, Figure(gain, gain, gain), 0.4, 0.9)


@pytest.mark.parametrize(
    ("gain", "shown"), [(0.01, "yes"), (-MAX_FUSION_LOSS, "yes"), (-MAX_FUSION_LOSS - 0.001, "**no**")]
)
def test_a_fusion_that_loses_too_much_is_marked(gain: float, shown: str) -> None:
    tables = {table.name: table for table in LabelFigures().tables(Evaluation("val", {"labels": (make_row(gain),)}))}
    assert tables["fusion"].markdown().splitlines()[-1].endswith(f"| {shown} |")


def test_sources_have_a_table_of_their_own() -> None:
    rows = (make_row(0.0), make_row(0.0, "one"), make_row(0.0, WITH_OURS))
    tables = {table.name: table for table in LabelFigures().tables(Evaluation("val", {"labels": rows}))}
    assert len(tables["labels"].markdown().splitlines()) == 2 + 1
    assert [line.split(" | ")[2] for line in tables["by-source"].markdown().splitlines()[2:]] == ["one", WITH_OURS]
