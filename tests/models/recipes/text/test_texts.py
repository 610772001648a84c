"""Rows of the bundle for training: sampled by source, and zeros where nobody said."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.config import TextConfig, load_config
from sluice_models.data.bundle import Example
from sluice_models.recipes.fusion.encoded import PLAIN_SEVERITY, text_severity
from sluice_models.recipes.text.templates import SOURCE
from sluice_models.recipes.text.texts import complete_targets, find_rationales, sample_pass
from tests.models.recipes.text.rows import label_row, make_example

pytestmark = pytest.mark.torch

RECIPE = load_config("text_encoder", TextConfig).rows
SPAM, THREAT, PROFANITY = (LABELS.index(label) for label in ("spam", "threat", "profanity"))


def test_a_text_has_no_cue_and_rare_harms_are_weakly_absent():
    targets, weights = complete_targets(make_example(self_harm=0), RECIPE)
    assert (targets[LABELS.index("fire") :] == 0).all()
    assert targets[SPAM] == 0
    assert weights[SPAM] == pytest.approx(RECIPE.weak_weight)
    assert np.isnan(targets[PROFANITY])


def test_a_row_that_is_abusive_may_well_be_a_threat_too():
    _, weights = complete_targets(make_example(toxicity=1), RECIPE)
    assert weights[THREAT] == pytest.approx(RECIPE.weak_weight_beside_abuse)
    assert weights[SPAM] == pytest.approx(RECIPE.weak_weight)


def test_a_text_for_one_illicit_trade_may_be_for_another():
    targets, _ = complete_targets(make_example(spam=1), RECIPE)
    assert np.isnan(targets[LABELS.index("gambling")])


def test_what_our_own_sentences_leave_open_stays_open():
    targets, weights = complete_targets(make_example(source=SOURCE, threat=1), RECIPE)
    assert np.isnan(targets[SPAM])
    assert (weights == 1).all()


def test_noisy_sources_weigh_less():
    source, weight = next(iter(RECIPE.source_weights.items()))
    _, weights = complete_targets(make_example(source=source, toxicity=1), RECIPE)
    assert weights[LABELS.index("toxicity")] == pytest.approx(weight)


def test_a_pass_limits_a_source_and_its_rare_harms_apart():
    limits = {"sst2": 30}
    common = [make_example(source="sst2", toxicity=0) for _ in range(200)]
    rare = [make_example(source="sst2", threat=1) for _ in range(40)]
    others = [make_example(source="else", toxicity=0) for _ in range(50)]
    chosen = sample_pass(common + rare + others, limits, seed=1)
    threats = sum(row.targets[THREAT] == 1 for row in chosen)
    assert (threats, len(chosen)) == (30, 30 + 30 + 50)
    assert [row.source for row in chosen] != sorted(row.source for row in chosen)


def test_the_same_seed_draws_the_same_pass():
    rows = [make_example(f"row {number}", toxicity=0) for number in range(50)]
    first, again, other = (sample_pass(rows, {"made": 20}, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_rationales_are_found_in_their_order_and_unknown_tokens_passed_over():
    meta = {"tokens": ["a", "fool", "<user>", "a"], "rationale": [0, 0.5, 1, 1]}
    assert list(find_rationales("a fool is a hat", meta)) == [(0, 1, 0.0), (2, 6, 0.5), (10, 11, 1.0)]


def test_severity_comes_from_the_annotators_where_they_gave_numbers():
    severe = Example("k", "x", None, "en", label_row(toxicity=1, hate=0), "made", {"severity": 0.25})
    plain = Example("k", "x", None, "en", label_row(toxicity=1, hate=0), "made", {})
    assert text_severity(severe)[LABELS.index("toxicity")] == pytest.approx(0.25)
    assert text_severity(plain)[LABELS.index("toxicity")] == pytest.approx(PLAIN_SEVERITY)
    assert text_severity(plain)[LABELS.index("hate")] == 0
