"""Sentences that differ in dialect or group alone."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.measure.counterfactuals import load_counterfactuals, measure_counterfactuals
from sluice_models.recipes.text.templates import load_templates

pytestmark = pytest.mark.torch
TOXICITY = LABELS.index("toxicity")


class DislikesWords:
    """Stands for a scorer: texts with one of the words are toxic."""

    def __init__(self, *words):
        self._words = words

    def score(self, texts):
        scores = np.zeros((len(texts), len(LABELS)), np.float32)
        scores[:, TOXICITY] = [0.9 if any(word in text for word in self._words) else 0.1 for text in texts]
        return scores


def test_the_sentences_are_many_paired_and_not_in_training():
    texts = load_counterfactuals()
    assert len(texts.dialect) >= 40
    assert all(one != other for one, other in texts.dialect)
    assert all("{identity}" in sentence for sentence in (*texts.sentences, *texts.chinese_sentences))
    trained = {sentence for family in load_templates().families for sentence in family.sentences}
    assert not trained & {sentence for pair in texts.dialect for sentence in pair}


def test_a_scorer_that_dislikes_a_dialect_is_found_out():
    dialect = measure_counterfactuals(DislikesWords("finna", "ain't", "Ain't", "y'all", "Y'all"), {"toxicity": 0.5})[0]
    assert dialect.difference.low > 0
    assert dialect.flagged > 0.2
    assert dialect.flagged_otherwise == 0


def test_a_scorer_that_dislikes_a_group_shows_in_that_group_alone():
    reports = measure_counterfactuals(DislikesWords("Muslim", "穆斯林"), {"toxicity": 0.5})
    raised = [report for report in reports if report.difference.low > 0]
    assert [(report.comparison, report.group) for report in raised] == [
        ("identity, English", "religion"),
        ("identity, Chinese", "religion"),
    ]
    assert all(report.flagged > 0 and report.flagged_otherwise == 0 for report in raised)


def test_a_scorer_that_sees_no_difference_has_none():
    assert all(report.difference.value == 0 for report in measure_counterfactuals(DislikesWords(), {"toxicity": 0.5}))
