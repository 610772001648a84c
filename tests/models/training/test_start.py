"""The text encoder starts from the lowest layers of e5, and from its rows of the pieces that are kept."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from sluice.errors import SettingsError
from sluice_models.config import TOKENIZER_FILE, TextNetwork
from sluice_models.data.e5 import E5
from sluice_models.networks.text import Backbone
from sluice_models.training import start
from sluice_models.training.start import LAYER, PART, find_rows, start_from_e5

pytestmark = pytest.mark.torch
NETWORK = TextNetwork(d_hidden=8, d_inner=16, n_layers=2, n_heads=2, n_positions=6)
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁tea", "▁soup", "茶"]
WORDS = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "茶": 4, "▁tea": 5}


def make_e5(n_layers=3):
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    weights = {"emb.word": draw(7, 8), "emb.pos": draw(6, 8), "emb.type": draw(2, 8)}
    weights |= {"emb.ln.w": draw(8), "emb.ln.b": draw(8)}
    shapes = dict.fromkeys(("q", "k", "v", "ao"), (8, 8)) | {"fi": (16, 8), "fo": (8, 16), "aln": (8,), "oln": (8,)}
    for layer in range(n_layers):
        for name, shape in shapes.items():
            weights[f"l{layer}.{name}.w"], weights[f"l{layer}.{name}.b"] = draw(*shape), draw(shape[0])
    return E5({}, [(piece, -1.0) for piece in PIECES], weights)


@pytest.fixture
def ours(monkeypatch, tmp_path):
    from tokenizers import models

    file = tmp_path / "tokenizer.json"
    Tokenizer(models.WordLevel(WORDS, unk_token="<unk>")).save(str(file))
    monkeypatch.setattr(start, "TOKENIZER_FILE", file)


def test_words_are_found_by_their_spelling():
    assert find_rows(WORDS, make_e5()).tolist() == [0, 1, 2, 3, 6, 4]


def test_words_that_e5_lacks_are_named():
    with pytest.raises(SettingsError, match=r"1 words .*'coffee'"):
        find_rows({**WORDS, "coffee": 6}, make_e5())


def test_every_weight_of_a_backbone_is_e5s(ours):
    e5, backbone = make_e5(), Backbone(NETWORK, len(WORDS))
    start_from_e5(backbone, e5)
    state = backbone.state_dict()
    assert torch.equal(state["words.weight"][4], torch.from_numpy(e5.weights["emb.word"][6]))
    torch.testing.assert_close(
        state["positions.weight"], torch.from_numpy(e5.weights["emb.pos"] + e5.weights["emb.type"][0])
    )
    for layer in range(NETWORK.n_layers):
        for theirs, name in LAYER.items():
            for part, kind in PART.items():
                found = state[f"layers.{layer}.{name}.{kind}"].numpy()
                np.testing.assert_array_equal(found, e5.weights[f"l{layer}.{theirs}.{part}"])


def test_every_word_of_the_shipped_vocabulary_is_one_of_e5s():
    from sluice_models.data.e5 import read_e5

    vocabulary = Tokenizer.from_file(str(TOKENIZER_FILE)).get_vocab()
    rows = find_rows(vocabulary, read_e5())
    assert len(np.unique(rows)) == len(vocabulary)
    assert rows[:4].tolist() == [0, 1, 2, 3]
