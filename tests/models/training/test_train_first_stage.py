"""Training the first stage on texts scored by hand."""

import io
from itertools import islice

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from rich.console import Console

from sluice.schema import LABELS
from sluice_models.config import FirstStageConfig, FirstStageNetwork, Lessons, Training
from sluice_models.recipes.text.taught import Taught, join_taught, load_taught
from sluice_models.training.onnx_encoder import EncoderFileError
from sluice_models.training.suspicion import read_suspicion
from sluice_models.training.train_first_stage import (
    FLAGGED_WEIGHT,
    FOUND_WEIGHT,
    WORDS,
    find_words,
    lesson_batches,
    measure_margins,
    train_first_stage,
    weigh_lessons,
)

pytestmark = pytest.mark.torch
N_WORDS, BAD_WORD = 40, 7
THREAT = LABELS.index("threat")
THRESHOLDS = np.full(len(LABELS), 1.0, np.float32)
THRESHOLDS[-1] = np.inf
CONFIG = FirstStageConfig(
    FirstStageNetwork(d_word=4, d_hidden=8, n_layers=1, dropout=0.0),
    Training(n_steps=60, n_batch=20, learning_rate=2e-2, fresh_learning_rate=2e-2),
    Lessons(1, 0, 0),
)


def make_taught(n_texts=80):
    """Every second text has the bad word in it, and every fourth is one that people call a threat."""
    rng = np.random.default_rng(0)
    ids = [rng.integers(10, N_WORDS, rng.integers(3, 9)).astype(np.int32) for _ in range(n_texts)]
    logits = np.full((n_texts, len(LABELS)), -4.0, np.float32)
    targets = np.zeros((n_texts, len(LABELS)), np.float32)
    for row in range(0, n_texts, 2):
        ids[row][1], logits[row, THREAT] = BAD_WORD, 3.0
        targets[row, THREAT] = row % 4 == 0
    return Taught(ids, np.ones(n_texts, np.bool_), logits, targets, np.full(n_texts, "en"))


def make_words():
    return np.random.default_rng(1).standard_normal((N_WORDS, 4)).astype(np.float32)


def train(runs, taught):
    return train_first_stage(taught, make_words(), THRESHOLDS, CONFIG, runs, Console(file=io.StringIO()))


def test_a_margin_is_that_of_the_label_nearest_to_review():
    logits = np.array([[-4.0] * len(LABELS), [-4.0] * len(LABELS)], np.float32)
    logits[1, THREAT], logits[1, -1] = 3.0, 50.0
    assert measure_margins(logits, THRESHOLDS).tolist() == [-5.0, 2.0]


def test_positives_that_are_found_weigh_most():
    weights = weigh_lessons(make_taught(4), THRESHOLDS)
    assert weights.tolist() == [FOUND_WEIGHT, 1.0, FLAGGED_WEIGHT, 1.0]


def test_a_pass_has_every_text_once_and_the_same_each_time():
    taught = make_taught(50)
    for _ in range(2):
        batches = list(islice(lesson_batches(taught, THRESHOLDS, 10), 5))
        seen = sorted(tuple(row[keep == 1].tolist()) for each in batches for row, keep in zip(*each[:2], strict=True))
        assert seen == sorted(tuple(row.tolist()) for row in taught.ids)


def test_a_trained_stage_tells_the_texts_apart_and_is_the_same_each_time(tmp_path):
    taught = make_taught()
    first, second = (read_suspicion(train(tmp_path / name, taught), taught) for name in ("first", "second"))
    np.testing.assert_array_equal(first, second)
    assert (first[0::2] > 0).mean() > 0.9
    assert (first[1::2] < 0).mean() > 0.9
    assert (tmp_path / "first" / "first_stage.pt").is_file()


def test_what_was_taught_is_read_back_as_it_was(tmp_path):
    taught = make_taught(6)
    taught.save(tmp_path / "folder" / "taught.npz")
    both = join_taught([load_taught(tmp_path / "folder" / "taught.npz"), taught])
    for half in (np.arange(12) < 6, np.arange(12) >= 6):
        found = both.choose(half)
        assert [row.tolist() for row in found.ids] == [row.tolist() for row in taught.ids]
        np.testing.assert_array_equal(found.logits, taught.logits)
        np.testing.assert_array_equal(found.targets, taught.targets)
        assert found.languages.tolist() == taught.languages.tolist()


def save_encoder(file, name):
    words = numpy_helper.from_array(np.random.default_rng(2).standard_normal((N_WORDS, 6)).astype(np.float32), name)
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "encoder", [], [], [words])), str(file))
    return file


def test_words_start_in_the_directions_in_which_the_encoder_has_them_apart(tmp_path):
    file = save_encoder(tmp_path / "model.onnx", WORDS)
    words = find_words(file, make_taught(), 4)
    whole = find_words(file, make_taught(), 6)
    assert words.shape == (N_WORDS, 4)
    assert words.std() == pytest.approx(0.5)
    assert (np.diff(whole.std(axis=0)) < 0.05).all()


def test_an_encoder_of_somebody_else_has_no_words_to_start_from(tmp_path):
    with pytest.raises(EncoderFileError, match="sluice_models.export"):
        find_words(save_encoder(tmp_path / "model.onnx", "other"), make_taught(), 4)


def test_suspicion_is_read_in_the_order_of_the_texts():
    taught = make_taught(150)

    def stage(ids, mask):
        return ids, (ids * mask).sum(dim=1, keepdim=True).float()

    assert read_suspicion(stage, taught).tolist() == [float(row.sum()) for row in taught.ids]
    assert torch.is_grad_enabled()
