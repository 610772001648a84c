"""What is measured about texts: bias, obfuscation, evidence, functional tests; and about calibration."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sluice.intervals import draw_counts
from sluice.resources import default_policy
from sluice.schema import LABELS
from sluice.verdict.documents import load_policy
from sluice.verdict.policy import Policy, Thresholds
from sluice_models.data.bundle import Example
from sluice_models.measure.bias import find_any_member, find_members, report_identity
from sluice_models.measure.context import thresholds_of
from sluice_models.measure.functional import (
    OVER_FAMILIES,
    OWN,
    TEMPLATES,
    fill_family,
    judge,
    load_tests,
    measure_functions,
)
from sluice_models.measure.label_figures import (
    WITH_OURS,
    measure_calibration,
    report_part,
)
from sluice_models.measure.rationales import measure_faithfulness
from sluice_models.measure.scored_split import Scored, certain_rows, cross_fit
from sluice_models.recipes.fusion.encoded import OURS, Encoded, one_row_each
from sluice_models.recipes.text.templates import fill_templates, is_held_out, load_templates

pytestmark = pytest.mark.torch
N_LABELS = len(LABELS)


def make_example(text, lang="en", meta=None, source="made", **labels):
    targets = np.array([labels.get(label, np.nan) for label in LABELS], np.float32)
    return Example(text, text, None, lang, targets, source, meta or {})


def test_scores_depend_neither_on_the_order_nor_on_the_batch(scorer):
    texts = ["a short one", "one that is a good deal longer than the others", "中文也要"]
    together = scorer.score(texts)
    assert np.allclose(scorer.score(texts[::-1])[::-1], together, rtol=1e-4, atol=0)
    assert np.allclose(scorer.score(texts[1:2])[0], together[1], rtol=1e-4, atol=0)
    assert not np.allclose(together[0], together[1], rtol=1e-2, atol=0)


def test_an_identity_is_a_whole_word():
    assert find_members(["She is Muslim.", "muslin cloth", "two Jews"], "religion").tolist() == [True, False, True]
    assert find_any_member(["an old tree", "a tree"]).tolist() == [True, False]


def test_bias_that_raises_an_identitys_scores_shows_in_bpsn_alone():
    member = np.array([True] * 40 + [False] * 40)
    positive = np.tile([True, False], 40)
    scores = np.where(positive, 0.6, 0.4).astype(np.float32) + np.float32(0.3) * member
    report = report_identity("made", "x", scores, positive, member)
    assert (report.subgroup.value, report.bpsn.value, report.bnsp.value) == (1.0, 0.0, 1.0)


def test_faithfulness_needs_flagged_texts(scorer):
    assert measure_faithfulness(scorer, ["a plain sentence about trees"], 5) == []


def test_functional_sentences_are_not_in_training_and_have_all_slots():
    tests = load_tests()
    trained = {sentence for family in load_templates().families for sentence in family.sentences}
    for family in tests.families:
        assert not trained & set(family.sentences)
        assert set(family.labels) <= set(LABELS)
        assert not any("{" in text for text in fill_family(family, tests.slots))


def test_a_family_is_judged_by_the_review_thresholds():
    row = np.zeros((1, N_LABELS), np.float32)
    row[0, LABELS.index("threat")] = 0.5
    assert judge(row, ["threat"], {"threat": 0.4}).tolist() == [1.0]
    assert judge(row, ["threat"], {"threat": 0.6}).tolist() == [0.0]
    assert judge(row, [], {"threat": 0.4}).tolist() == [0.0]
    assert judge(row, [], {"hate": 0.4}).tolist() == [1.0]


def test_untrained_models_flag_nothing(scorer):
    reports = measure_functions(scorer, thresholds_of(load_policy(default_policy())).review)
    assert all(report.accuracy.value == (0.0 if report.harmful else 1.0) for report in reports)
    assert {report.suite for report in reports} == {OWN, TEMPLATES}
    for suite in (OWN, TEMPLATES):
        names = {report.family.removesuffix(f" {OVER_FAMILIES}") for report in reports if report.suite == suite}
        assert {"all hateful", "all not hateful, about groups", "all harmful", "all harmless"} < names


def test_templates_that_are_measured_are_not_drawn_in_training():
    measured = {row.meta["family"]: row for row in fill_templates(300, 1, held_out=True)}
    assert len(measured) > 3
    for family in load_templates().families:
        assert not {s for s in family.sentences if is_held_out(s)} & {s for s in family.sentences if not is_held_out(s)}


def test_a_policy_s_thresholds_are_sorted_by_decision():
    policy = Policy(name="p", version=1, labels={"hate": Thresholds(review=0.4, block=0.9), "spam": Thresholds(0.5)})
    thresholds = thresholds_of(policy)
    assert thresholds.review == {"hate": 0.4, "spam": 0.5}
    assert thresholds.block == {"hate": 0.9}


def make_part(n_rows=600, seed=0):
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(n_rows, N_LABELS)).astype(np.float32)
    targets = (rng.random(raw.shape) < 1 / (1 + np.exp(-raw))).astype(np.float32)
    ones = np.ones_like(targets)
    sources = ["one" if row % 2 else "other" for row in range(n_rows)]
    return raw, Encoded(*one_row_each(np.zeros((n_rows, 4, 256))), raw, targets, ones, targets, sources)


def test_cross_fitting_does_not_see_the_calibration_that_shipped():
    raw, part = make_part()
    folds = np.arange(len(raw)) % 2
    fitted = []
    for scale, shift in ((1.0, 0.0), (3.0, -2.0)):
        fusion = SimpleNamespace(scale=torch.full((2, N_LABELS), scale), shift=torch.full((2, N_LABELS), shift))
        fitted.append(cross_fit(fusion, [raw * scale + shift], [part], [folds])[0])
    first, second = fitted
    assert np.allclose(first, second, atol=1e-4)


def test_rows_are_calibrated_on_those_of_other_folds_alone():
    raw, part = make_part()
    folds = np.arange(len(raw)) % 3
    own = folds == 0
    fusion = SimpleNamespace(scale=torch.ones(1, N_LABELS), shift=torch.zeros(1, N_LABELS))
    before = cross_fit(fusion, [raw], [part], [folds])[0]
    part.targets[own] = 1 - part.targets[own]
    after = cross_fit(fusion, [raw], [part], [folds])[0]
    assert np.array_equal(before[own], after[own])
    assert not np.allclose(before[~own], after[~own])


def test_labels_are_reported_for_all_rows_and_for_each_source():
    raw, part = make_part()
    part.targets[:, 1:] = np.nan
    part.weights[:100] = 0.3
    scored = Scored("text", part, *[1 / (1 + np.exp(-raw))] * 3)
    reports = list(report_part(scored, {"toxicity": 0.5}))
    assert [(report.label, report.source) for report in reports] == [
        ("toxicity", "all"),
        ("toxicity", "one"),
        ("toxicity", "other"),
    ]
    assert reports[0].n_positives + reports[0].n_negatives == certain_rows(part, "toxicity").sum() == 500
    assert reports[0].auroc.low > 0.5
    assert reports[0].gain.value == 0  # the encoder alone scores the same here


def test_rows_of_our_own_making_are_reported_apart_and_calibrate_nothing():
    raw, part = make_part()
    part.targets[:, 1:] = np.nan
    part = replace(part, sources=[OURS if n % 3 == 0 else "one" for n in range(len(raw))])
    scored = Scored("image", part, *[1 / (1 + np.exp(-raw))] * 3)
    counts = {row.source: row.n_positives + row.n_negatives for row in report_part(scored, {})}
    assert counts["all"] == counts["one"] == 400
    assert counts[WITH_OURS] == 600
    folds = np.arange(len(raw)) % 2
    fusion = SimpleNamespace(scale=torch.ones(1, N_LABELS), shift=torch.zeros(1, N_LABELS))
    before = cross_fit(fusion, [raw], [part], [folds])[0]
    part.targets[~part.found] = 1 - part.targets[~part.found]
    assert np.array_equal(before, cross_fit(fusion, [raw], [part], [folds])[0])


def test_a_fusion_that_ranks_worse_than_its_encoder_shows_as_a_loss():
    raw, part = make_part()
    alone = 1 / (1 + np.exp(-raw))
    scored = Scored("text", part, 1 - alone, alone, alone)
    assert next(report_part(scored, {})).gain.high < 0


def test_too_few_rows_have_no_calibration_error():
    scores, positive = np.full(100, 0.5, np.float32), np.arange(100) % 2 == 0
    assert np.isnan(measure_calibration(scores, positive, draw_counts(len(scores))).value)


def test_the_calibration_error_is_how_far_scores_are_from_shares():
    scores, positive = np.full(900, 0.5, np.float32), np.arange(900) % 4 == 0
    assert measure_calibration(scores, positive, draw_counts(len(scores))).value == pytest.approx(0.25, abs=0.01)
