"""The readers of a text are compared on the same rows, and accuracy is not measured where its threshold was chosen."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.config import TextConfig, load_config
from sluice_models.data.bundle import Example
from sluice_models.measure.candidates import compare_candidates, measure_accuracy
from sluice_models.training import checkpoint
from sluice_models.training.train_towers import TowerClassifier

pytestmark = pytest.mark.torch


def make_rows(n_rows):
    toxicity = LABELS.index("toxicity")
    rows = []
    for number in range(n_rows):
        targets = np.full(len(LABELS), np.nan, np.float32)
        targets[toxicity] = number % 2
        text = f"what a fool number {number}" if number % 2 else f"lunch at {number} tomorrow"
        rows.append(Example(str(number), text, None, ("en", "zh")[number % 4 // 2], targets, "cold"))
    return rows


def test_what_was_trained_alone_is_compared_where_it_is_there(tmp_path):
    choice, encoder = load_config("text_encoder", TextConfig).rows, checkpoint.build_text_encoder().eval()
    served = compare_candidates(encoder, make_rows(60), choice, tmp_path)
    assert [report.name for report in served] == [
        "served: its MiniLM only",
        "served: its byte tower only",
        "served: both towers",
    ]
    for tower, name in ((encoder.words, "words"), (encoder.bytes, "bytes")):
        checkpoint.save(TowerClassifier(tower), checkpoint.checkpoint_file(tmp_path, name))
    alone = compare_candidates(encoder, make_rows(60), choice, tmp_path)
    assert len(alone) == 5
    assert alone[0].english == pytest.approx(served[0].english)  # the same weights, out of the file
    assert alone[0].n_parameters + alone[1].n_parameters == pytest.approx(alone[4].n_parameters, rel=0.01)


def test_accuracy_takes_each_half_at_the_others_threshold():
    positive = np.arange(80) % 4 < 2
    scores = np.where(positive, 1.0, -1.0).astype(np.float32)
    assert measure_accuracy(scores, positive) == 1.0
    assert measure_accuracy(-scores, positive) == pytest.approx(0.5)
    assert np.isnan(measure_accuracy(scores[:9], positive[:9]))
