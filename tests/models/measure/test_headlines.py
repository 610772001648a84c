"""Figures that stand at the top of the card."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure.headlines import average_figures, measure_headlines, measure_votes
from sluice_models.measure.scored_split import Scored
from sluice_models.recipes.fusion.encoded import Encoded, one_row_each

pytestmark = pytest.mark.torch
TOXICITY = LABELS.index("toxicity")


def make_post(number, votes):
    nothing = np.full(len(LABELS), np.nan, np.float32)
    return Example(f"h-{number}", f"text {number}", None, "en", nothing, "hatexplain", {"votes": votes})


def test_two_of_three_votes_make_hate():
    posts = [make_post(i, votes) for i, votes in enumerate([[0, 0, 1], [0, 0, 0], [0, 1, 2], [1, 1, 1], [2, 2, 0]] * 8)]
    right = np.array([0.9, 0.8, 0.1, 0.2, 0.3] * 8, np.float32)
    assert measure_votes(posts, right).figure.value == 1
    assert measure_votes(posts, 1 - right).figure.value == 0


def test_accuracy_on_chinese_toxicity_is_at_even_odds_and_at_review():
    targets = np.full((60, len(LABELS)), np.nan, np.float32)
    targets[:, TOXICITY] = np.arange(60) % 2
    scores = np.where(targets == 1, 0.6, 0.1).astype(np.float32)
    scores[40:] = 0.6  # of another source
    ones = np.ones_like(scores)
    part = Encoded(
        *one_row_each(np.zeros((60, 4, 256))), scores, targets, ones, targets, ["cold"] * 40 + ["other"] * 20
    )
    texts = Scored("text", part, scores, scores, scores)
    even, review = measure_headlines(None, [], texts, {"toxicity": 0.8})
    assert (even.n_rows, even.figure.value, review.figure.value) == (40, 1.0, 0.5)


def test_a_mean_over_sources_has_an_interval_over_sources():
    mean = average_figures("hate", "sources", [0.7, 0.8, 0.9])
    assert mean.figure.value == pytest.approx(0.8)
    assert 0.7 <= mean.figure.low < 0.8 < mean.figure.high <= 0.9 + 1e-6
