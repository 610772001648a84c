"""Embeddings by a frozen encoder: means of pieces after some layers, each text once."""

import numpy as np
import pytest
import torch

from sluice.features.text import TextExtractor
from sluice_models.config import TOKENIZER_FILE, TextNetwork
from sluice_models.measure.frozen import DEPTHS, FrozenEncoder, embed_sources
from sluice_models.networks.text import Backbone
from tests.models.recipes.text.rows import make_example

pytestmark = pytest.mark.torch
NETWORK = TextNetwork(d_hidden=8, d_inner=16, n_layers=3, n_heads=2)
TEXTS = ["tea", "two cups of tea, and then a walk by the river in the rain", "soup"]


@pytest.fixture(scope="module")
def extractor():
    return TextExtractor(TOKENIZER_FILE)


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(1)
    return Backbone(NETWORK, 80_000).eval()


def test_an_embedding_does_not_depend_on_the_texts_beside_it(backbone, extractor):
    encoder = FrozenEncoder(backbone, extractor)
    together = encoder.embed(TEXTS)
    assert together.shape == (3, len(DEPTHS) * NETWORK.d_hidden)
    for text, embedded in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(encoder.embed([text])[0], embedded, atol=1e-5)
    assert not np.allclose(together[0], together[2])


def test_its_end_is_the_mean_of_the_last_layer(backbone, extractor):
    (features,) = extractor.extract_batch(TEXTS[:1])
    ids = torch.from_numpy(np.asarray(features.rows[0].input_ids, np.int64)).unsqueeze(0)
    with torch.inference_mode():
        expected = backbone(ids, torch.ones_like(ids, dtype=torch.float32))[0].mean(dim=0)
    found = FrozenEncoder(backbone, extractor).embed(TEXTS[:1])[0, -NETWORK.d_hidden :]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


class Counting:
    """Embeds a text as its length, and notes what it was asked for."""

    def __init__(self):
        self.asked = []

    def embed(self, texts):
        self.asked += texts
        return np.array([[len(text)] for text in texts], np.float32)


def test_sources_that_were_embedded_are_read_from_disk(tmp_path):
    rows = {"a": [make_example("tea")], "b": [make_example("soup")]}
    first, second = Counting(), Counting()
    embedded = embed_sources(lambda: first, rows, tmp_path)
    again = embed_sources(lambda: second, rows, tmp_path)
    assert first.asked == ["tea", "soup"]
    assert second.asked == []
    assert {name: each.tolist() for name, each in embedded.items()} == {"a": [[3.0]], "b": [[4.0]]}
    assert {name: each.tolist() for name, each in again.items()} == {"a": [[3.0]], "b": [[4.0]]}


def test_a_source_with_other_rows_is_embedded_anew(tmp_path):
    embed_sources(Counting, {"a": [make_example("tea")]}, tmp_path)
    counting = Counting()
    embedded = embed_sources(lambda: counting, {"a": [make_example("tea"), make_example("soup")]}, tmp_path)
    assert counting.asked == ["tea", "soup"]
    assert embedded["a"].shape == (2, 1)
