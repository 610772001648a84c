"""Bootstrap intervals, and the measures that take many resamples at once."""

import math

import numpy as np
import pytest

from sluice.intervals import (
    NO_FIGURE,
    Figure,
    draw_counts,
    find_interval,
    measure_with_interval,
    resample_auprc,
    resample_auroc,
    resample_ece,
    resample_f1,
    resample_recall,
)
from sluice_models.measure.scores import measure_auprc, measure_auroc

pytestmark = pytest.mark.torch


def make_rows(n_rows=400, seed=0):
    rng = np.random.default_rng(seed)
    positive = rng.random(n_rows) < 0.3
    return np.round(rng.normal(positive * 1.0), 1).astype(np.float32), positive  # rounded: many ties


def test_with_every_row_once_the_plain_figures_come_out():
    scores, positive = make_rows()
    counts = draw_counts(len(scores), n_resamples=0)
    assert resample_auprc(scores, positive, counts)[0] == pytest.approx(measure_auprc(scores, positive), abs=1e-5)
    assert resample_auroc(scores, positive, counts)[0] == pytest.approx(measure_auroc(scores, positive), abs=1e-5)


@pytest.mark.parametrize("pair", [(resample_auprc, measure_auprc), (resample_auroc, measure_auroc)])
def test_a_resample_is_the_figure_of_the_rows_it_drew(pair):
    scores, positive = make_rows()
    counts = draw_counts(len(scores), n_resamples=3)
    for drawn, found in zip(counts, pair[0](scores, positive, counts), strict=True):
        rows = np.repeat(np.arange(len(scores)), drawn.astype(int))
        assert found == pytest.approx(pair[1](scores[rows], positive[rows]), abs=1e-5)


def test_the_same_seed_gives_the_same_interval_around_the_figure():
    scores, positive = make_rows()
    figures = [measure_with_interval(resample_auroc, scores, positive, draw_counts(len(scores))) for _ in range(2)]
    assert figures[0] == figures[1]
    assert figures[0].low < figures[0].value < figures[0].high


def test_more_rows_give_a_narrower_interval():
    few, many = (
        measure_with_interval(resample_auroc, scores, positive, draw_counts(len(scores)))
        for scores, positive in map(make_rows, (100, 4000))
    )
    assert many.high - many.low < (few.high - few.low) / 3


def test_recall_stops_at_one_percent_of_the_negatives():
    scores = np.concatenate([np.arange(200), [198.5, 197.5, 300.0]]).astype(np.float32)
    positive = np.arange(203) >= 200
    assert resample_recall(scores, positive, draw_counts(203, 0))[0] == pytest.approx(1.0)
    assert resample_recall(scores[1:], positive[1:], draw_counts(202, 0))[0] == pytest.approx(2 / 3)


def test_f1_counts_scores_that_reach_the_threshold():
    scores = np.array([0.9, 0.5, 0.4, 0.1], np.float32)
    positive = np.array([True, False, True, False])
    assert resample_f1(0.5)(scores, positive, draw_counts(4, 0))[0] == pytest.approx(0.5)
    assert resample_f1(0.4)(scores, positive, draw_counts(4, 0))[0] == pytest.approx(0.8)


def test_the_calibration_error_is_the_shift_that_was_applied():
    rng = np.random.default_rng(0)
    true = rng.uniform(0.2, 0.6, 30_000).astype(np.float32)
    positive = rng.random(30_000) < true
    assert resample_ece(true, positive, draw_counts(30_000, 0))[0] < 0.015
    assert resample_ece(true + np.float32(0.2), positive, draw_counts(30_000, 0))[0] == pytest.approx(0.2, abs=0.02)


def test_what_is_not_defined_is_a_dash():
    assert find_interval(np.array([math.nan, 1.0, 2.0], np.float32)) is NO_FIGURE
    assert str(NO_FIGURE) == "–"
    assert str(Figure(0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"
