"""The text encoder's training: what counts, what it moves, and that an interrupted run ends as a whole one."""

import io
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from rich.console import Console

from sluice.schema import HARMS, LABELS
from sluice_models.config import TextConfig, TextNetwork, load_config
from sluice_models.networks.text import TextEncoder
from sluice_models.recipes.text.reading import TextExample, collate
from sluice_models.training import train_text as module
from sluice_models.training.train_text import (
    TextClassifier,
    parameter_groups,
    positive_weights,
    shorten,
    text_loss,
    train_text,
    train_text_model,
    twin_loss,
)
from tests.models.recipes.text.rows import make_example, make_harmless

pytestmark = pytest.mark.torch
N_LABELS, TOXICITY = len(LABELS), LABELS.index("toxicity")
NETWORK = TextNetwork(d_hidden=24, d_inner=48, n_layers=1, n_heads=2, n_positions=192)


@pytest.fixture(scope="module")
def config():
    return load_config("text_encoder", TextConfig)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TextClassifier(TextEncoder(NETWORK, 60).eval(), ["harsh"])


def make_row(target, source="made", mark=np.nan, weight=1.0, ids=(5, 6, 7, 8), twin=""):
    targets, weights = np.full(N_LABELS, target, np.float32), np.full(N_LABELS, weight, np.float32)
    marks = np.full((len(ids), len(HARMS)), mark, np.float32)
    return TextExample(np.array(ids), marks, targets, weights, source, twin)


def measure(model, *rows):
    return text_loss(model, collate(list(rows)), torch.ones(N_LABELS))


def test_every_weight_is_in_one_group_and_what_e5_knows_moves_least(model, config):
    groups: Any = parameter_groups(model, config.training)
    named = {id(weight): name for name, weight in model.named_parameters() if weight.requires_grad}
    members = [[named.pop(id(weight)) for weight in group["params"]] for group in groups]  # none is there twice
    assert not named
    assert members[1] == ["encoder.backbone.words.weight"]
    assert all(name.startswith("encoder.backbone") for name in members[0])
    assert {"encoder.marks.weight", "encoder.pooling.queries"} <= set(members[2])
    rates = [group["lr"] for group in groups]
    assert rates[0] == rates[1] < rates[2] < rates[3]


def test_a_share_shortens_the_training_and_changes_nothing_else(config):
    half = shorten(config, 0.5)
    assert half.training.n_steps == round(config.training.n_steps * 0.5)
    assert msgspec.structs.replace(half, training=config.training) == config
    assert shorten(config, 1e-9).training.n_steps == 1


def test_labels_and_marks_both_count(model):
    assert measure(model, make_row(np.nan)) == 0
    assert measure(model, make_row(1.0)) > measure(model, make_row(0.0)) > 0  # an untrained model finds nothing
    assert measure(model, make_row(np.nan, mark=1.0)) > 0


def test_evidence_alone_has_to_find_the_labels_too(model):
    model.zero_grad()
    measure(model, make_row(1.0)).backward()
    assert model.encoder.marks.bias.grad.abs().max() > 0


def test_the_offset_of_a_source_is_taken_off_what_the_model_learns(model):
    with torch.no_grad():
        model.offsets.table.weight[1] = 9.0
    assert measure(model, make_row(1.0, "harsh")) < measure(model, make_row(1.0, "ours"))


def test_twins_cost_what_their_scores_differ():
    logits = torch.zeros(3, N_LABELS)
    logits[1, TOXICITY] = 2.0
    pair = torch.tensor([[0, 1]])
    difference = float(torch.sigmoid(torch.tensor(2.0))) - 0.5
    assert twin_loss(logits, pair).item() == pytest.approx(difference**2 + module.LOGIT_SHARE * 4)
    assert twin_loss(logits, torch.tensor([[0, 2]])) == 0
    assert twin_loss(logits, torch.zeros(0, 2, dtype=torch.int64)) == 0


def test_twins_count_beside_the_labels(model):
    batch = collate([make_row(np.nan, ids=(5, 6), twin="t"), make_row(np.nan, ids=(9, 6), twin="t")])
    assert text_loss(model, batch, torch.ones(N_LABELS)) > 0
    assert text_loss(model, replace(batch, twins=batch.twins[:0]), torch.ones(N_LABELS)) == 0


def test_targets_that_nobody_gave_do_not_make_a_label_rare():
    rows = [make_row(1.0), *[make_row(0.0)] * 4, *[make_row(0.0, weight=0.25)] * 100]
    assert positive_weights(rows, 10.0)[0].item() == pytest.approx(2.0)


@pytest.fixture
def small(monkeypatch, config):
    """Everything tiny: the network, the chunks, and a start from nothing."""
    monkeypatch.setattr(module, "build_text_encoder", lambda: TextEncoder(NETWORK, 80_000))
    monkeypatch.setattr(module, "start_from_e5", lambda backbone: None)
    rows = msgspec.structs.replace(config.rows, chunk_rows=60, batch_rows=8, batch_pieces=600)
    training = msgspec.structs.replace(config.training, n_steps=3)
    return msgspec.structs.replace(config, rows=rows, training=training)


def make_examples():
    return [make_example(f"you fool {n}", toxicity=1) for n in range(20)] + [
        make_harmless(f"hello there {n}") for n in range(20)
    ]


def test_training_leaves_the_encoder_without_the_offsets(small, tmp_path):
    encoder = train_text(make_examples(), small, tmp_path, Console(file=io.StringIO()))
    kept = torch.load(tmp_path / "text_encoder.pt")
    assert kept.keys() == encoder.state_dict().keys()
    assert torch.equal(kept["marks.weight"], encoder.marks.weight)
    assert not (tmp_path / "text_encoder.state").exists()


def test_an_interrupted_run_ends_where_a_whole_one_does(small, tmp_path, monkeypatch):
    whole = train_text(make_examples(), small, tmp_path / "whole", Console(file=io.StringIO()))
    loss, calls = module.text_loss, []

    def fail_at_the_third(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return loss(*arguments)

    monkeypatch.setattr("sluice_models.training.loop.SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(module, "text_loss", fail_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        train_text(make_examples(), small, tmp_path / "parts", Console(file=io.StringIO()))
    resumed = train_text(make_examples(), small, tmp_path / "parts", Console(file=io.StringIO()))
    assert len(calls) == 4  # the third step and none before
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict())


def test_sources_that_are_left_out_are_not_trained_on(tmp_path, bundle, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "train_text", lambda examples, config, *_: calls.append((len(examples), config)))
    train_text_model(bundle, tmp_path, Console(file=io.StringIO()), share=1e-9)
    train_text_model(bundle, tmp_path, Console(file=io.StringIO()), share=1e-9, without=frozenset({"made"}))
    assert [n for n, _ in calls] == [100, 0]
    assert calls[0][1].training.n_steps == 1
