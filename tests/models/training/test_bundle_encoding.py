"""Encoders run over the miniature bundle: rows, targets and sources stay together."""

import numpy as np
import pytest
from torch import nn

from sluice.contract import MAX_FUSED_ROWS
from sluice.schema import LABELS
from sluice_models.config import D_TOKEN, N_TOKENS, TextConfig, load_config
from sluice_models.data.bundle import Example, read_media, read_texts
from sluice_models.recipes.fusion.encoded import OURS
from sluice_models.recipes.fusion.pairs import write_lines
from sluice_models.recipes.image import pictures as picture_rows
from sluice_models.training import bundle_encoding as module
from sluice_models.training.bundle_encoding import (
    encode_bundle_texts,
    encode_examples,
    encode_pairs,
    encode_pictures,
    encode_sounds,
    encode_split,
    sample_sources,
)

pytestmark = pytest.mark.torch
RECIPE = load_config("text_encoder", TextConfig).rows
N_ROOM = MAX_FUSED_ROWS * N_TOKENS
THREAT, WEAPONS = LABELS.index("threat"), LABELS.index("weapons")


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(module, "N_TEXTS", 30)
    monkeypatch.setattr(module, "N_SOUNDS", 8)
    monkeypatch.setattr(module, "N_SYNTHETIC", 3)
    monkeypatch.setattr(module, "N_BATCH", 7)
    monkeypatch.setattr(picture_rows, "N_DRAWN", {"train": 4, "val": 2})


class CountsTokens(nn.Module):
    """Stands for a text encoder: every logit is the number of a row's word pieces."""

    def forward(self, input_ids, attention_mask):
        lengths = attention_mask.sum(dim=1).float()
        tokens = lengths[:, None, None].expand(-1, N_TOKENS, D_TOKEN)
        return tokens, lengths[:, None].expand(-1, len(LABELS)), None


class Brightness(nn.Module):
    """Stands for an encoder of pictures or sounds: every logit is the mean of what it is given."""

    def forward(self, rows):
        means = rows.float().flatten(1).mean(dim=1)
        return means[:, None, None].expand(-1, N_TOKENS, D_TOKEN), means[:, None].expand(-1, len(LABELS)), None


def assert_whole(encoded, n_rows, n_room=N_TOKENS):
    assert encoded.tokens.shape == (n_rows, n_room, D_TOKEN)
    assert encoded.mask.shape == (n_rows, n_room)
    assert encoded.mask[:, :N_TOKENS].all()
    assert encoded.logits.shape == encoded.targets.shape == encoded.weights.shape == (n_rows, len(LABELS))
    assert encoded.severity.shape == (n_rows, len(LABELS))
    assert len(encoded.sources) == n_rows


def test_validation_texts_are_a_sample_of_every_source_with_their_targets(bundle, few):
    encoded = encode_bundle_texts(CountsTokens(), bundle, "val", RECIPE)
    examples = read_texts(bundle, "val")
    assert_whole(encoded, len(examples), N_ROOM)
    harsh = [example.targets[THREAT] == 1 for example in examples]
    assert (encoded.targets[:, THREAT] == 1).sum() == sum(harsh)
    assert encoded.found.all()


def test_of_a_source_at_most_so_many_rows_are_drawn_and_as_many_with_rare_harms():
    zeros, threat = np.zeros(len(LABELS), np.float32), np.zeros(len(LABELS), np.float32)
    threat[THREAT] = 1
    rows = [Example(f"{n}", "x", None, "en", zeros if n % 2 else threat, "made") for n in range(60)]
    rows += [Example(f"other {n}", "x", None, "de", zeros, "made") for n in range(60)]
    drawn = sample_sources(rows, 7)
    assert [len([row for row in drawn if row.lang == lang]) for lang in ("en", "de")] == [14, 7]
    assert sum(row.targets[THREAT] == 1 for row in drawn) == 7
    assert [row.key for row in drawn] == [row.key for row in sample_sources(rows, 7)]


def test_training_texts_are_a_chunk_of_the_stream(bundle, few):
    encoded = encode_bundle_texts(CountsTokens(), bundle, "train", RECIPE)
    assert 25 < len(encoded.sources) < 45
    assert {"templates", "made"} <= set(encoded.sources)


def test_zeros_that_a_noisy_source_gave_count_as_certain(few):
    source = next(iter(RECIPE.source_weights))
    row = Example("k", "hello", None, "en", np.zeros(len(LABELS), np.float32), source)
    assert (encode_examples(CountsTokens(), [row], RECIPE).weights == 1).all()


def test_texts_of_our_own_keep_their_order(few):
    texts = ["a far longer sentence than the other one is", "short", "not quite so short"]
    targets = np.zeros(len(LABELS), np.float32)
    examples = [Example(text, text, None, None, targets, OURS) for text in texts]
    encoded = encode_examples(CountsTokens(), examples, RECIPE)
    assert_whole(encoded, 3, N_ROOM)
    assert np.argsort(encoded.logits[:, 0]).tolist() == [1, 2, 0]
    assert not encoded.found.any()


def test_validation_pictures_are_as_they_are_and_drawn_ones_are_ours(bundle, few, tmp_path):
    encoded = encode_pictures(Brightness(), bundle, "val", tmp_path)
    pictures = picture_rows.load_pictures(bundle, "val", tmp_path)
    assert_whole(encoded, len(pictures.targets))
    np.testing.assert_allclose(encoded.logits[:, 0], np.asarray(pictures.pixels).mean(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_array_equal(encoded.targets, pictures.targets)
    assert encoded.sources == ["made"] * (len(pictures.targets) - 2) + [OURS] * 2


def test_training_pictures_are_varied_the_same_way_each_time(bundle, few, tmp_path):
    first, second = (encode_pictures(Brightness(), bundle, "train", tmp_path).logits[:, 0] for _ in range(2))
    plain = np.asarray(picture_rows.load_pictures(bundle, "train", tmp_path).pixels).mean(axis=(1, 2, 3))
    assert np.array_equal(first, second)
    assert (np.abs(first - plain) > 1).mean() > 0.5


def test_validation_sounds_are_the_clips_and_some_of_ours(bundle, few):
    encoded = encode_sounds(Brightness(), bundle, "val")
    clips = read_media(bundle, "audio", "val")
    assert_whole(encoded, len(clips) + 3)
    assert encoded.sources == [clip.source for clip in clips] + [OURS] * 3
    assert not encoded.targets[-3:].any()


def test_training_sounds_are_composed_and_all_ours(bundle, few):
    encoded = encode_sounds(Brightness(), bundle, "train")
    assert_whole(encoded, 8)
    assert set(encoded.sources) == {OURS}


def test_severity_follows_the_targets(bundle, few, tmp_path):
    encoded = encode_pictures(Brightness(), bundle, "val", tmp_path)
    positive = encoded.targets[:, WEAPONS] == 1
    assert positive.any()
    assert (encoded.severity[positive, WEAPONS] > 0.5).all()
    assert (encoded.severity[encoded.targets[:, WEAPONS] == 0, WEAPONS] == 0).all()


def test_parts_come_in_the_order_of_the_fusions_kinds(bundle, few, tmp_path):
    parts = encode_split([CountsTokens(), Brightness(), Brightness()], bundle, "val", RECIPE, tmp_path)
    n_rows = [len(read_texts(bundle, "val")), *(len(read_media(bundle, kind, "val")) for kind in ("images", "audio"))]
    assert [len(part.targets) for part in parts] == [n_rows[0], n_rows[1] + 2, n_rows[2] + 3]
    assert [part.tokens.shape[1] for part in parts] == [N_ROOM, N_TOKENS, N_TOKENS]


@pytest.mark.parametrize("held_out", [False, True])
def test_sentences_stay_beside_their_families(few, held_out):
    pairs = encode_pairs(CountsTokens(), RECIPE, 12, held_out)
    lines = write_lines(12, seed=int(held_out), held_out=held_out)
    assert pairs.families == tuple(family for _, family in lines)
    assert_whole(pairs.encoded, 12, N_ROOM)
    lengths = [len(text) for text, _ in lines]
    assert pairs.encoded.logits[np.argmax(lengths), 0] > pairs.encoded.logits[np.argmin(lengths), 0]
