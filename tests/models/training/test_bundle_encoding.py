"""Encoders run over the miniature bundle: rows, targets and sources stay together."""

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from sluice.schema import LABELS
from sluice_models.config import (
    D_TOKEN,
    N_TOKENS,
    AudioNetwork,
    ByteNetwork,
    ImageNetwork,
    TextConfig,
    TextNetwork,
    WordNetwork,
    load_config,
)
from sluice_models.data.bundle import Example, read_media, read_texts
from sluice_models.networks.audio import AudioEncoder
from sluice_models.networks.image import ImageEncoder
from sluice_models.networks.text import TextEncoder
from sluice_models.recipes.fusion.encoded import OURS
from sluice_models.recipes.fusion.pairs import write_lines
from sluice_models.recipes.image import pictures as picture_rows
from sluice_models.training import bundle_encoding as module
from sluice_models.training.bundle_encoding import (
    encode_examples,
    encode_pairs,
    encode_pictures,
    encode_sounds,
    encode_split,
    encode_texts,
)

pytestmark = pytest.mark.torch
SAMPLING = msgspec.structs.replace(load_config("text_encoder", TextConfig).rows, n_templates=20, n_lexicon=0)
THREAT, WEAPONS = LABELS.index("threat"), LABELS.index("weapons")


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(module, "N_TEXTS", 30)
    monkeypatch.setattr(module, "N_SOUNDS", 8)
    monkeypatch.setattr(module, "N_SYNTHETIC", 3)
    monkeypatch.setattr(module, "N_BATCH", 7)
    monkeypatch.setattr(picture_rows, "N_DRAWN", {"train": 4, "val": 2})
    monkeypatch.setattr(picture_rows, "N_SCENES", 4)


class CountsTokens(nn.Module):
    """Stands for a text encoder: every logit is the number of a row's word pieces."""

    def forward(self, input_ids, attention_mask, byte_ids, byte_mask):
        lengths = attention_mask.sum(dim=1).float()
        tokens = lengths[:, None, None].expand(-1, N_TOKENS, D_TOKEN)
        return tokens, lengths[:, None].expand(-1, len(LABELS)), None


class Brightness(nn.Module):
    """Stands for an encoder of pictures or sounds: every logit is the mean of what it is given."""

    def forward(self, rows):
        means = rows.float().flatten(1).mean(dim=1)
        return means[:, None, None].expand(-1, N_TOKENS, D_TOKEN), means[:, None].expand(-1, len(LABELS)), None


def assert_whole(encoded, n_rows):
    assert encoded.tokens.shape == (n_rows, N_TOKENS, D_TOKEN)
    assert encoded.logits.shape == encoded.targets.shape == encoded.weights.shape == (n_rows, len(LABELS))
    assert encoded.severity.shape == (n_rows, len(LABELS))
    assert len(encoded.sources) == n_rows


def test_every_text_of_validation_is_there_shortest_first(bundle, few):
    encoded = encode_texts(CountsTokens(), bundle, "val", SAMPLING)
    assert_whole(encoded, len(read_texts(bundle, "val")))
    assert (np.diff(encoded.logits[:, 0]) >= 0).all()
    harsh = [example.targets[THREAT] == 1 for example in read_texts(bundle, "val")]
    assert (encoded.targets[:, THREAT] == 1).sum() == sum(harsh)
    assert encoded.found.all()


def test_training_texts_are_a_sample_with_templates(bundle, few):
    encoded = encode_texts(CountsTokens(), bundle, "train", SAMPLING)
    assert_whole(encoded, 30)
    assert "templates" in encoded.sources


def test_texts_of_our_own_keep_their_order(few):
    texts = ["a far longer sentence than the other one is", "short", "not quite so short"]
    targets = np.zeros(len(LABELS), np.float32)
    examples = [Example(text, text, None, None, targets, "pairs") for text in texts]
    encoded = encode_examples(CountsTokens(), examples, SAMPLING)
    assert_whole(encoded, 3)
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


def test_parts_come_in_the_order_of_the_fusions_kinds_whatever_that_of_the_encoders(bundle, few, tmp_path):
    torch.manual_seed(0)
    words = WordNetwork(d_hidden=8, d_inner=16, n_layers=1, n_heads=2, n_positions=256)
    pieces = ByteNetwork(d_hidden=8, d_inner=16, n_layers=1, n_heads=2, n_positions=256)
    text = TextEncoder(TextNetwork(words, pieces), 40_000, 20_000)
    image, audio = ImageEncoder(ImageNetwork(channels=(4, 4, 8, 8))), AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8)))
    encoders = [audio.eval(), image.eval(), text.eval()]
    parts = encode_split(encoders, bundle, "val", SAMPLING, tmp_path)
    n_rows = [len(read_texts(bundle, "val")), *(len(read_media(bundle, kind, "val")) for kind in ("images", "audio"))]
    assert [len(part.targets) for part in parts] == [n_rows[0], n_rows[1] + 2, n_rows[2] + 3]


@pytest.mark.parametrize("held_out", [False, True])
def test_sentences_stay_beside_their_families(few, held_out):
    pairs = encode_pairs(CountsTokens(), SAMPLING, 12, held_out)
    lines = write_lines(12, seed=int(held_out), held_out=held_out)
    assert pairs.families == tuple(family for _, family in lines)
    assert_whole(pairs.encoded, 12)
    lengths = [len(text) for text, _ in lines]
    assert pairs.encoded.logits[np.argmax(lengths), 0] > pairs.encoded.logits[np.argmin(lengths), 0]
