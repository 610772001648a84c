"""Texts for training: sampled, tokenised, marked and put into batches."""

import numpy as np
import pytest

from sluice.features.text import TextExtractor
from sluice.schema import LABELS
from sluice_models.config import TextConfig, load_config
from sluice_models.data.bundle import Example
from sluice_models.recipes.fusion.encoded import PLAIN_SEVERITY, text_severity
from sluice_models.recipes.text.texts import bucket, collate, complete_targets, mark_tokens, prepare, sample_pass

pytestmark = pytest.mark.torch

CHOICE = load_config("text_encoder", TextConfig).rows
EXTRACTOR = TextExtractor()


def label_row(**known):
    return np.array([known.get(label, np.nan) for label in LABELS], np.float32)


def make_example(text="you are a fool", source="made", meta=None, **labels):
    return Example("k", text, None, "en", label_row(**labels), source, meta or {})


def test_a_text_has_no_cue_and_rare_harms_are_weakly_absent():
    targets, weights = complete_targets(label_row(toxicity=1), CHOICE)
    assert (targets[LABELS.index("fire") :] == 0).all()
    assert targets[LABELS.index("spam")] == 0
    assert weights[LABELS.index("spam")] == pytest.approx(CHOICE.weak_weight)
    assert np.isnan(targets[LABELS.index("profanity")])


def test_a_text_for_one_illicit_trade_may_be_for_another():
    targets, _ = complete_targets(label_row(spam=1), CHOICE)
    assert np.isnan(targets[LABELS.index("gambling")])


def test_spans_mark_the_tokens_that_they_touch():
    example = make_example(meta={"spans": [[10, 14]]}, toxicity=1)
    marks = mark_tokens(example, EXTRACTOR.extract(example.text).rows[0])
    assert marks.tolist() == [0, 0, 0, 0, 1, 0]


def test_rationales_mark_tokens_by_the_share_of_annotators():
    meta = {"tokens": ["you", "are", "a", "fool"], "rationale": [0, 0, 0, 0.5]}
    example = make_example(meta=meta, toxicity=1)
    marks = mark_tokens(example, EXTRACTOR.extract(example.text).rows[0])
    assert marks.tolist() == [0, 0, 0, 0, 0.5, 0]


def test_tokens_that_nobody_was_asked_about_are_left_out():
    example = make_example(toxicity=1)
    assert np.isnan(mark_tokens(example, EXTRACTOR.extract(example.text).rows[0])).all()


def test_a_pass_limits_a_source_but_keeps_its_rare_harms():
    common = [make_example(source="sst2", toxicity=0) for _ in range(2000)]
    rare = [make_example(source="sst2", threat=1) for _ in range(5)]
    chosen = [row for row in sample_pass(common + rare, CHOICE, seed=1) if row.source == "sst2"]
    assert len(chosen) == CHOICE.max_rows["sst2"] + 5


def test_batches_hold_every_row_once_and_are_padded_with_zeros():
    rows = prepare([make_example("word " * n) for n in range(1, 30)], EXTRACTOR, CHOICE)
    batches = [collate(batch) for batch in bucket(rows, 8, seed=0)]
    assert sum(len(batch.input_ids) for batch in batches) == len(rows)
    assert all((batch.input_ids[batch.attention_mask == 0] == 0).all() for batch in batches)
    assert all(batch.marks[batch.attention_mask == 0].isnan().all() for batch in batches)


def test_severity_comes_from_the_annotators_where_they_gave_numbers():
    toxicity, hate = LABELS.index("toxicity"), LABELS.index("hate")
    rated = text_severity(make_example(meta={"severity": 0.4}, toxicity=1, hate=0))
    assert rated[toxicity] == pytest.approx(0.4)
    assert rated[hate] == 0
    voted = text_severity(make_example(source="hatexplain", meta={"votes": [0, 2, 1]}, toxicity=1))
    assert (voted[toxicity], voted[hate]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    in_words = text_severity(make_example(meta={"severity": "Mild"}, toxicity=1))
    assert in_words[toxicity] == pytest.approx(PLAIN_SEVERITY)
    assert np.isnan(in_words[hate])
