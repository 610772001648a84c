"""Conformal risk control: the promise, the paths, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sluice.errors import CalibrationError
from sluice.verdict.risk import (
    NEVER,
    STEP,
    build_threshold_path,
    control_any,
    control_risk,
    count_allowed,
    count_benign_needed,
    count_needed,
    find_threshold,
    split_posts,
)

alphas = st.floats(0.001, 0.999)
shares = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 1.0]))  # with ties


def score_arrays(min_posts=1):
    shape = st.tuples(st.integers(min_posts, 60), st.integers(1, 4))
    return shape.flatmap(lambda sizes: arrays.arrays(np.float64, sizes, elements=shares))


@pytest.mark.parametrize(("alpha", "needed"), [(0.05, 19), (0.005, 199), (0.5, 1), (0.3, 3), (0.001, 999)])
def test_so_many_posts_are_needed_for_a_promise(alpha, needed):
    assert count_needed(alpha) == needed
    assert control_risk(np.zeros(needed), alpha) is not None
    assert control_risk(np.zeros(needed - 1), alpha) is None


def test_the_count_is_not_lost_to_rounding():
    assert count_allowed(99, 0.29) == 28  # 0.29 * 100 is 28.999999999999996


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80), alphas)
def test_the_threshold_is_the_lowest_that_keeps_the_corrected_risk(scores, alpha):
    array = np.array(scores)
    threshold = control_risk(array, alpha)
    if threshold is None:
        assert len(scores) < 1 / alpha - 1 + 1e-6
        return
    assert ((array >= threshold).sum() + 1) / (len(array) + 1) <= alpha + 1e-8
    lower = np.nextafter(threshold, -math.inf)
    assert threshold == -math.inf or ((array >= lower).sum() + 1) / (len(array) + 1) > alpha - 1e-8


@given(arrays.arrays(np.float32, st.integers(1, 80), elements=st.floats(0, 1, width=32)), alphas, alphas)
def test_a_smaller_risk_never_lowers_the_threshold(scores, one, other):
    truths = np.zeros_like(scores)
    strict, loose = (find_threshold(scores, truths, alpha) for alpha in sorted((one, other)))
    assert (math.inf if strict is None else strict) >= (math.inf if loose is None else loose)


def test_only_posts_annotated_0_count():
    scores = np.array([0.1, 0.2, 0.3, 0.9, 0.95])
    truths = np.array([0, 0, 0, 1, np.nan])
    assert find_threshold(scores, truths, 0.5) == np.nextafter(0.2, 1)  # (1 + 1) / (3 + 1) is 0.5
    assert find_threshold(scores, np.ones(5), 0.5) is None


def draw_threshold(generator, n_posts, alpha):
    threshold = control_risk(generator.random(n_posts), alpha)
    assert threshold is not None
    return 1 - min(max(threshold, 0), 1)  # the true risk of a uniform score


@pytest.mark.parametrize(("n_posts", "alpha"), [(19, 0.05), (60, 0.05), (30, 0.2), (500, 0.005)])
def test_the_mean_risk_over_many_draws_keeps_the_promise(n_posts, alpha):
    generator = np.random.default_rng(1)
    risks = [draw_threshold(generator, n_posts, alpha) for _ in range(4000)]
    error = np.std(risks) / math.sqrt(len(risks))
    assert np.mean(risks) <= alpha + 3 * error
    assert np.mean(risks) >= alpha - 1 / (n_posts + 1) - 3 * error  # and does not waste it


def draw_posts(generator, n_posts):
    """Scores of three labels that hang together, with many ties."""
    common = generator.normal(size=(n_posts, 1))
    logits = common + generator.normal(size=(n_posts, 3)) * [0.5, 1.0, 3.0] - [2.0, 0.0, 4.0]
    return np.round(1 / (1 + np.exp(-logits)), 2)


@pytest.mark.parametrize(("n_posts", "alpha", "fixed"), [(28, 0.05, 2.0), (90, 0.1, 0.94), (400, 0.02, 2.0)])
def test_labels_together_keep_one_promise(n_posts, alpha, fixed):
    """The third label's threshold is fixed where one is given; else all three move."""
    generator = np.random.default_rng(2)
    later = draw_posts(generator, 20_000)
    risks = []
    for _ in range(600):
        posts = draw_posts(generator, n_posts)
        try:
            found = control_any(posts[:, :2], np.array([2.0, 1.0]), posts[:, 2] >= fixed, alpha, 0.1)
        except CalibrationError:  # then nothing fires
            risks.append(0.0)
            continue
        assert found is not None
        risks.append(((later[:, :2] >= found).any(axis=1) | (later[:, 2] >= fixed)).mean())
    assert np.mean(risks) <= alpha + 3 * np.std(risks) / math.sqrt(len(risks))
    assert np.mean(risks) > alpha / 5


@settings(deadline=None)
@given(score_arrays(), alphas, st.sampled_from([0.0, 0.1, 0.5]), st.data())
def test_the_posts_that_choose_keep_the_corrected_risk(scores, alpha, floor, drawn):
    weights = drawn.draw(arrays.arrays(np.float64, scores.shape[1], elements=st.floats(0.01, 10)))
    found = control_any(scores, weights, np.zeros(len(scores), bool), alpha, floor)
    choosing = scores[split_posts(len(scores))[1]]
    if found is None:
        assert count_allowed(len(choosing), alpha) < 0
        return
    n_fired = (choosing >= found).any(axis=1).sum()
    assert n_fired <= count_allowed(len(choosing), alpha)
    assert ((found >= floor) & ((found <= 1) | (found == NEVER))).all()


@settings(deadline=None)
@given(score_arrays(min_posts=3), alphas, alphas)
def test_a_smaller_risk_never_lowers_any_threshold(scores, one, other):
    weights, forced = np.arange(1.0, scores.shape[1] + 1), np.zeros(len(scores), bool)
    strict, loose = (control_any(scores, weights, forced, alpha, 0.1) for alpha in sorted((one, other)))
    if strict is not None and loose is not None:
        assert (strict >= loose - 2 * STEP).all()  # but for rounding up


@settings(deadline=None)
@given(score_arrays(), st.floats(0, 1))
def test_a_score_reaches_its_threshold_up_to_its_place(scores, level):
    path = build_threshold_path(scores, np.linspace(0.2, 1, scores.shape[1]), 0.1)
    reached = scores >= path.thresholds(level)
    assert not (reached & (path.find_levels(scores) < level - 1e-9)).any()
    far_below = scores < path.thresholds(level) - 3e-6  # thresholds are rounded up
    assert not (far_below & (path.find_levels(scores) > level + 1e-3) & (scores >= 0.1) & (level < 0.99)).any()


def test_heavier_labels_get_more_of_the_false_alarms():
    scores = np.random.default_rng(3).random((30_000, 2))
    found = control_any(scores, np.array([4.0, 1.0]), np.zeros(len(scores), bool), 0.05, 0.0)
    assert 1 - found == pytest.approx([0.04, 0.01], rel=0.2)


def test_no_threshold_is_reached_where_benign_posts_have_the_highest_score():
    found = control_any(np.ones((100, 1)), np.ones(1), np.zeros(100, bool), 0.05, 0.1)
    assert found.tolist() == [NEVER]


def test_without_labels_there_are_no_thresholds():
    assert control_any(np.empty((100, 0)), np.empty(0), np.zeros(100, bool), 0.05, 0.1).tolist() == []


def test_kept_thresholds_that_alone_break_the_promise_are_refused():
    with pytest.raises(CalibrationError, match="67 of 67 benign posts"):
        control_any(np.zeros((100, 1)), np.ones(1), np.ones(100, bool), 0.05, 0.1)


@pytest.mark.parametrize("alpha", [0.5, 0.05, 0.005, 0.3, 0.07])
def test_so_many_benign_posts_are_needed_for_labels_together(alpha):
    needed = count_benign_needed(alpha)
    for n_posts, enough in ((needed, True), (needed - 1, False)):
        found = control_any(np.zeros((n_posts, 1)), np.ones(1), np.zeros(n_posts, bool), alpha, 0.1)
        assert (found is not None) == enough


@pytest.mark.parametrize(
    ("scores", "truths", "alpha", "mistake"),
    [
        ([], [], 0.1, "no posts"),
        ([0.1, 0.2], [0], 0.1, "one shape"),
        ([math.nan], [0], 0.1, "not a number"),
        ([0.1], [2], 0.1, "1, 0 or NaN"),
        ([0.1], [0], 0, "between 0 and 1"),
        ([0.1], [0], 1, "between 0 and 1"),
        ([0.1], [0], math.nan, "between 0 and 1"),
    ],
)
def test_what_cannot_be_computed_from_is_refused(scores, truths, alpha, mistake):
    with pytest.raises(CalibrationError, match=mistake):
        find_threshold(np.array(scores, float), np.array(truths, float), alpha)


@pytest.mark.parametrize(("score", "weight"), [(1.5, 1), (-0.1, 1), (math.nan, 1), (0.5, 0)])
def test_scores_and_weights_out_of_range_are_refused(score, weight):
    with pytest.raises(CalibrationError):
        control_any(np.full((100, 1), score), np.array([weight]), np.zeros(100, bool), 0.05, 0.1)
