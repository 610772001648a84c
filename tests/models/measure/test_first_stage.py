"""What is counted as cleared, on texts scored by hand."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.measure.first_stage import ALL, ClearedRow, HardRow, count_cleared, count_hard, measure_halves
from sluice_models.recipes.text.taught import Taught
from sluice_models.training.clearing import Looked

pytestmark = pytest.mark.torch
HATE = LABELS.index("hate")
THRESHOLDS = np.zeros(len(LABELS), np.float32)


def make_texts(rows):
    """Of each text: whether it is hate (None where nobody says), whether it is found, its language, its suspicion."""
    truths, found, languages, suspicion = zip(*rows, strict=True)
    targets = np.full((len(rows), len(LABELS)), np.nan, np.float32)
    targets[:, HATE] = [np.nan if truth is None else truth for truth in truths]
    logits = np.full_like(targets, -3.0)
    logits[:, HATE] = np.where(found, 2.0, -1.0)
    ids = [np.array([0, 2], np.int32)] * len(rows)
    taught = Taught(ids, np.ones(len(rows), np.bool_), logits, targets, np.array(languages))
    return Looked(taught, np.array(suspicion, np.float32))


def test_labels_and_languages_are_counted_apart():
    texts = make_texts([
        (1, True, "en", 1.0), (1, True, "en", -1.0), (1, False, "de", -1.0), (0, False, "de", -2.0),
        (0, False, "en", 2.0), (None, False, "en", -2.0), (0, False, "fr", -2.0),
    ])  # fmt: skip
    assert list(count_cleared(texts, THRESHOLDS, {"de": 0.0, "en": 0.0})) == [
        ClearedRow("hate", ALL, 3, 2, 2, 1, 0, 0),
        ClearedRow(ALL, "de", 1, 1, 0, 0, 1, 1),
        ClearedRow(ALL, "en", 2, 1, 2, 1, 1, 0),
        ClearedRow(ALL, ALL, 3, 2, 2, 1, 3, 1),
    ]


def test_of_other_harmful_texts_those_are_counted_that_the_models_flag():
    texts = make_texts([(1, True, "en", -1.0), (1, True, "en", 1.0), (1, True, "fr", -1.0), (1, False, "en", -1.0)])
    assert count_hard("ours", texts, THRESHOLDS, {"en": 0.0}) == HardRow("ours", 3, 1)


def test_the_choice_of_one_half_is_measured_on_the_other():
    found = [(1, True, "en", 1.0 + n / 1000) for n in range(800)]
    benign = [(0, False, "en", -2.0 + n / 100) for n in range(400)]
    texts, hard = make_texts(found + benign), make_texts([(1, True, "en", 1.0 + n / 1000) for n in range(100)])
    rows = list(measure_halves(texts, THRESHOLDS, ("en",), [hard], n_halves=2))
    assert [row.languages for row in rows] == ["en", "en"]
    for row in rows:
        assert 300 < row.n_found < 500
        assert row.n_found_cleared <= 20
        assert 30 < row.n_flagged < 70
        assert row.n_flagged_cleared <= 20
        assert 0.7 < row.n_benign_cleared / row.n_benign < 0.8
