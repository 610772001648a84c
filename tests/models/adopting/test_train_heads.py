"""Heads on an encoder of others: what is trained, what stays, and what is measured of it."""

import io
import json

import msgspec
import numpy as np
import pytest
import torch
from rich.console import Console

from sluice.logits import sigmoid
from sluice.schema import LABELS
from sluice_models.adopting import train_heads as module
from sluice_models.adopting.encoders import AdoptError
from sluice_models.adopting.folder import load_folder
from sluice_models.adopting.labelled import AdoptionData
from sluice_models.adopting.train_heads import (
    MIN_ROWS,
    TrainingContext,
    calibrate_head,
    has_cues,
    load_adopt_config,
    measure,
    train_head,
    train_text_heads,
)
from sluice_models.config import D_TOKEN, N_TOKENS, TOKENIZER_FILE, TextConfig, Training, load_config
from sluice_models.networks.heads import LabelHead
from sluice_models.recipes.fusion.encoded import Encoded, one_row_each, plain_severity
from sluice_models.recipes.fusion.pairs import CUES
from sluice_models.training.platt import fit_calibration

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
N_LABELS = len(LABELS)
THREAT, SPAM = LABELS.index("threat"), LABELS.index("spam")
RECIPE = msgspec.structs.replace(load_config("text_encoder", TextConfig).rows, chunk_rows=40)
TRAINING = Training(n_steps=60, n_batch=16, learning_rate=1e-2, fresh_learning_rate=1e-2)


@pytest.fixture
def context(tmp_path):
    data = AdoptionData(None, recipe=RECIPE, pictures_folder=tmp_path)
    return TrainingContext(TOKENIZER_FILE, data, tmp_path, Console(file=io.StringIO()))


def make_part(n_rows=80, seed=0, **labels):
    """Rows whose first token dimension says whether they are a threat."""
    rng = np.random.default_rng(seed)
    tokens = rng.normal(0, 0.1, (n_rows, N_TOKENS, D_TOKEN)).astype(np.float32)
    targets = np.full((n_rows, N_LABELS), np.nan, np.float32)
    targets[:, THREAT] = np.arange(n_rows) % 2
    for label, values in labels.items():
        targets[:, LABELS.index(label)] = values
    tokens[..., 0] += 3 * targets[:, THREAT, None]
    logits = np.zeros((n_rows, N_LABELS), np.float32)
    logits[:, THREAT] = 4 * targets[:, THREAT] - 2
    ones, severity = np.ones_like(targets), plain_severity(targets)
    return Encoded(*one_row_each(tokens), logits, targets, ones, severity, ["made"] * n_rows)


def score(head, part):
    with torch.no_grad():
        return head(torch.from_numpy(part.tokens).float()).numpy()


def test_a_head_learns_from_tokens_what_it_is_told_and_nothing_else(context):
    torch.manual_seed(0)
    head, part = LabelHead(), make_part()
    before = head.evidence.bias[SPAM].item()
    train_head(head, part, context, TRAINING)
    held_out = make_part(seed=1)
    logits = score(head, held_out)[:, THREAT]
    positive = held_out.targets[:, THREAT] == 1
    assert logits[positive].min() > logits[~positive].max()
    assert head.evidence.bias[SPAM].item() == pytest.approx(before, rel=0.05)  # decay alone
    assert (context.work / "head.pt").is_file()


def test_calibration_changes_no_order_and_makes_probabilities(context):
    head, held_out = LabelHead(), make_part(400)
    rng = np.random.default_rng(0)
    held_out.logits[:, THREAT] = rng.normal(0, 4, 400)
    drawn = rng.random(400) < sigmoid(held_out.logits[:, THREAT] / 4 - 1)
    held_out.targets[:, THREAT] = drawn
    calibrate_head(head, held_out)
    assert head.scale[THREAT].item() == pytest.approx(0.25, abs=0.08)
    assert head.shift[THREAT].item() == pytest.approx(-1, abs=0.3)
    assert (head.scale[SPAM].item(), head.shift[SPAM].item()) == (1.0, 0.0)  # nobody annotated it


def test_a_head_that_was_calibrated_before_is_calibrated_on_what_it_says_now(context):
    torch.manual_seed(0)
    head, held_out = LabelHead(), make_part(400)
    head.scale.fill_(2.0)
    head.shift.fill_(1.0)
    before = score(head, held_out)
    held_out.logits[:] = before
    scale, shift = fit_calibration(before, held_out.targets, held_out.weights)
    calibrate_head(head, held_out)
    np.testing.assert_allclose(score(head, held_out), before * scale.numpy() + shift.numpy(), rtol=1e-3, atol=1e-4)


def test_figures_are_of_labels_with_rows_enough_of_both_kinds():
    enough, few = np.arange(80) < MIN_ROWS, np.arange(80) < MIN_ROWS - 1
    part = make_part(spam=enough, hate=few)
    part.logits[:, SPAM] = enough
    assert measure(part) == {"threat": 1.0, "spam": 1.0}


def test_zeros_that_were_only_assumed_do_not_count_in_a_figure():
    part = make_part()
    part.logits[:4, THREAT] = 9.0
    assert measure(part)["threat"] < 1
    part.weights[:4, THREAT] = 0.3
    assert measure(part)["threat"] == 1.0


def make_media(*cues):
    rows = np.zeros((1 + len(cues), N_LABELS), np.float32)
    for number, cue in enumerate(cues, 1):
        rows[number, LABELS.index(cue)] = 1
    tokens = np.zeros((len(rows), N_TOKENS, D_TOKEN), np.float32)
    return Encoded(*one_row_each(tokens), rows, rows, np.ones_like(rows), plain_severity(rows), ["made"] * len(rows))


def test_cues_are_there_if_each_has_a_row_and_each_kind_one_without():
    texts, images, sounds = make_media(), make_media("weapons", "fire"), make_media("gunshot", "scream")
    assert has_cues([texts, images, sounds])
    assert not has_cues([texts, make_media("weapons"), sounds])
    images.targets[0, LABELS.index("fire")] = np.nan
    assert not has_cues([texts, images, sounds])
    assert set(CUES) == {"weapons", "fire", "gunshot", "scream"}


def test_the_adopted_encoder_stays_as_it_is_and_its_heads_learn(bert, bundle, tmp_path):
    adopted, content = load_folder(bert, english_only=True)
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(json.dumps(content))
    data = AdoptionData(bundle, recipe=RECIPE, pictures_folder=tmp_path)
    before = {name: weight.detach().clone() for name, weight in adopted.state_dict().items()}
    context = TrainingContext(tokenizer, data, tmp_path, Console(file=io.StringIO()))
    train_text_heads(adopted, context, msgspec.structs.replace(TRAINING, n_steps=2))
    moved = {name for name, weight in adopted.state_dict().items() if not torch.equal(weight, before[name])}
    assert moved
    assert all(name.startswith("heads.") for name in moved)
    assert "heads.head.evidence.bias" in moved


def test_every_pass_over_pictures_sees_each_once_and_varies_them():
    pixels = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.full((1, 3, 160, 160), 25, np.uint8)
    targets = np.arange(10, dtype=np.float32)[:, None] * np.ones((1, N_LABELS), np.float32)
    batches = module._picture_batches(pixels, targets, 4)
    first = [next(batches) for _ in range(3)]
    assert sorted(row for _, rows in first for row in rows[:, 0].tolist()) == list(range(10))
    second = [next(batches) for _ in range(3)]
    assert [rows[:, 0].tolist() for _, rows in first] != [rows[:, 0].tolist() for _, rows in second]
    assert {batch.dtype for batch, _ in first} == {torch.uint8}


@pytest.mark.parametrize(("content", "problem"), [("n_pairs: [", "config.yaml"), ("n_pairs: 4", "missing required")])
def test_a_file_of_hyper_parameters_that_is_broken_is_named(tmp_path, content, problem):
    file = tmp_path / "config.yaml"
    file.write_text(content)
    with pytest.raises(AdoptError, match=problem):
        load_adopt_config(file)
    with pytest.raises(AdoptError, match="nowhere"):
        load_adopt_config(tmp_path / "nowhere.yaml")
