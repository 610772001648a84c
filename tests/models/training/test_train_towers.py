"""The text encoder's stages on a few rows: each leaves what the next one needs, and the same seed the same weights."""

import io

import msgspec
import numpy as np
import pytest
import torch
from rich.console import Console

from sluice.errors import SettingsError
from sluice.schema import LABELS
from sluice_models.config import TextConfig, load_config
from sluice_models.data.bundle import Example
from sluice_models.recipes.text.texts import collate, cut_bytes
from sluice_models.training import checkpoint
from sluice_models.training.source_offsets import N_SLOTS
from sluice_models.training.train_text import shorten, train_text
from sluice_models.training.train_towers import language_loss, train_bytes, train_language, train_words

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def config():
    whole = load_config("text_encoder", TextConfig)
    rows = msgspec.structs.replace(whole.rows, n_templates=24)
    short = shorten(whole, 1e-9)
    return msgspec.structs.replace(short, rows=rows)


@pytest.fixture(scope="module")
def examples():
    targets = np.where(np.array(LABELS) == "toxicity", 1.0, np.nan).astype(np.float32)
    return [Example(f"e{n}", f"what a fool number {n} 你好", None, "en", targets, "made") for n in range(8)]


@pytest.fixture
def console():
    return Console(file=io.StringIO())


def test_the_stages_build_on_one_another(tmp_path, config, examples, console):
    for stage in (train_words, train_language, train_bytes):
        stage(examples, config, tmp_path, console)
    encoder = train_text(examples, config, tmp_path, console)
    names = {file.name for file in tmp_path.glob("*.pt")}
    assert names == {"words.pt", "language.pt", "bytes.pt", "text_encoder.pt"}
    again = checkpoint.load("text_encoder", tmp_path)
    for name, weight in encoder.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name
    words = torch.load(tmp_path / "words.pt")["tower.layers.0.widen.weight"]
    assert (encoder.state_dict()["words.layers.0.widen.weight"] - words).abs().max() < 1e-2  # it started from there


def test_the_same_seed_gives_the_same_weights(tmp_path, config, examples, console):
    first, second = tmp_path / "first", tmp_path / "second"
    for runs in (first, second):
        train_language(examples, config, runs, console)
    one, other = (torch.load(runs / "language.pt") for runs in (first, second))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_stage_says_what_has_to_be_trained_before(tmp_path, config, examples, console):
    with pytest.raises(SettingsError, match="--only language"):
        train_bytes(examples, config, tmp_path, console)


def test_padding_is_no_language():
    from sluice_models.recipes.text.texts import TextExample

    row = TextExample(np.array([1]), np.array([5, 6, 1]), np.zeros(1), np.zeros(17), np.ones(17), "ours")
    longer = TextExample(np.array([1]), np.array([5, 6, 7, 8, 9, 1]), np.zeros(1), np.zeros(17), np.ones(17), "ours")
    tower = checkpoint.build_text_encoder().bytes.eval()
    alone, padded = collate([row]), collate([row, longer])
    padded.byte_mask[1] = 0
    losses = [language_loss(tower, tower.read(batch.byte_ids), batch) for batch in (alone, padded)]
    torch.testing.assert_close(losses[0], losses[1])


def test_cut_bytes_keep_their_end():
    assert cut_bytes(np.array([5, 6, 7, 1]), 3).tolist() == [5, 6, 1]
    assert cut_bytes(np.array([5, 1]), 3).tolist() == [5, 1]


def test_offsets_are_learned_with_a_tower_and_not_served(tmp_path, config, examples, console):
    train_words(examples, config, tmp_path, console)
    table = torch.load(tmp_path / "words.pt")["offsets.table.weight"]
    assert table[1, 0] > 0  # the one source calls everything toxic
    assert not table[[0, *range(2, N_SLOTS)]].any()
    assert not any("offsets" in name for name in checkpoint.build_text_encoder().state_dict())
