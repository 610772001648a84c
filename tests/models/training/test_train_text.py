"""The text encoder's last stage: what it moves, and how stages are shortened."""

import io
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from rich.console import Console

from sluice.schema import LABELS
from sluice_models.config import ByteNetwork, TextConfig, TextNetwork, WordNetwork, load_config
from sluice_models.networks.text import TextEncoder
from sluice_models.recipes.text.texts import TextExample, collate
from sluice_models.training import train_text as module
from sluice_models.training.source_offsets import SourceOffsets
from sluice_models.training.train_text import parameter_groups, shorten, text_loss, train_text_model

pytestmark = pytest.mark.torch
N_LABELS = len(LABELS)


@pytest.fixture(scope="module")
def config():
    return load_config("text_encoder", TextConfig)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    words = WordNetwork(d_hidden=24, d_inner=48, n_layers=1, n_heads=2, n_positions=32)
    pieces = ByteNetwork(d_hidden=16, d_inner=32, n_layers=1, n_heads=2, n_positions=32)
    return TextEncoder(TextNetwork(words, pieces), 60, 60).eval()


def make_row(target, source="made", mark=np.nan):
    targets, ones = np.full(N_LABELS, target, np.float32), np.ones(N_LABELS, np.float32)
    marks = np.full(4, mark, np.float32)
    return TextExample(np.arange(5, 9), np.arange(2, 8), marks, targets, ones, source)


def measure(encoder, *rows, sources=()):
    torch.manual_seed(1)
    return text_loss(encoder, SourceOffsets(sources), collate(list(rows)), torch.ones(N_LABELS))


def test_every_weight_is_in_one_group_and_what_lies_below_moves_least(encoder, config):
    groups: Any = parameter_groups(encoder, config.training)
    named = {id(weight): name for name, weight in encoder.named_parameters() if weight.requires_grad}
    members = [[named.pop(id(weight)) for weight in group["params"]] for group in groups]  # none is there twice
    assert not named
    assert {name.rpartition(".")[0] for name in members[1]} >= {"words.marks", "head.evidence"}
    assert {"pooling" in name for name in members[0]} == {False}
    assert groups[0]["lr"] < groups[1]["lr"]


def test_a_share_shortens_every_stage_and_changes_nothing_else(config):
    half = shorten(config, 0.5)
    for name in ("words", "language", "bytes", "training"):
        whole, short = getattr(config, name), getattr(half, name)
        assert short.n_steps == round(whole.n_steps * 0.5)
        assert msgspec.structs.replace(short, n_steps=whole.n_steps) == whole
    assert half.rows == config.rows
    assert shorten(config, 1.0) == config


def test_every_stage_keeps_a_step(config):
    short = shorten(config, 1e-9)
    assert {short.words.n_steps, short.language.n_steps, short.bytes.n_steps, short.training.n_steps} == {1}


def test_labels_and_marks_both_count(encoder):
    unknown = measure(encoder, make_row(np.nan))
    assert unknown == 0
    assert measure(encoder, make_row(1.0)) > measure(encoder, make_row(0.0)) > 0  # an untrained model finds nothing
    assert measure(encoder, make_row(np.nan, mark=1.0)) > 0


def test_each_tower_reads_some_rows_alone(encoder):
    seen = []
    encoder.head.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()))
    with torch.no_grad():
        measure(encoder, *[make_row(0.0)] * 200)
    ways, counts = torch.unique(seen[0].round(decimals=3).flatten(1), dim=0, return_counts=True)
    assert len(ways) == 3  # by words, by bytes, by both
    assert sorted(counts.tolist())[0] > 10
    assert counts.max() > 100


def test_the_offset_of_a_source_is_taken_off_what_the_model_learns(encoder):
    offsets = SourceOffsets(["harsh"])
    with torch.no_grad():
        offsets.table.weight[1] = 9.0
    losses = []
    for source in ("harsh", "ours"):
        torch.manual_seed(1)
        losses.append(text_loss(encoder, offsets, collate([make_row(1.0, source)]), torch.ones(N_LABELS)))
    assert losses[0] < losses[1]


def test_all_stages_run_in_order_without_the_sources_left_out(tmp_path, bundle, monkeypatch):
    calls = []
    for stage in ("train_words", "train_language", "train_bytes", "train_text"):

        def record(examples, config, runs, console, stage=stage):
            calls.append((stage, len(examples), config.training.n_steps, runs))

        monkeypatch.setattr(module, stage, record)
    train_text_model(bundle, tmp_path, Console(file=io.StringIO()), share=1e-9)
    stages = ["train_words", "train_language", "train_bytes", "train_text"]
    assert [call[0] for call in calls] == stages
    assert {call[1:] for call in calls} == {(100, 1, tmp_path)}
    train_text_model(bundle, tmp_path, Console(file=io.StringIO()), share=1e-9, without=frozenset({"made"}))
    assert calls[-1][1] == 0
