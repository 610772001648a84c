"""Encoders of others behind our contract: what is read, what is not, and what is never trained."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from sluice_models.adopting.encoders import AdoptedImage, AdoptedText, ImageHeads, TextHeads, freeze
from sluice_models.config import D_TOKEN, N_TOKENS
from sluice_models.networks.heads import N_LABELS

pytestmark = pytest.mark.torch
D_HIDDEN, N_WORDS = 8, 20


class WordBody(nn.Module):
    """Stands for a text model of somebody else's: an embedding, and what it was asked."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(N_WORDS, D_HIDDEN)
        self.dropout = nn.Dropout(0.5)

    def forward(self, input_ids, attention_mask):
        return SimpleNamespace(last_hidden_state=self.dropout(self.words(input_ids)))


class PatchBody(nn.Module):
    """Stands for an image model: a class token, then the mean colour of each of 4 x 4 patches."""

    def forward(self, pixel_values):
        self.seen = pixel_values
        patches = nn.functional.adaptive_avg_pool2d(pixel_values, 4).flatten(2).transpose(1, 2)
        patches = nn.functional.pad(patches, (0, D_HIDDEN - 3))
        return SimpleNamespace(last_hidden_state=torch.cat([torch.full_like(patches[:, :1], 9.0), patches], dim=1))


@pytest.fixture
def text():
    torch.manual_seed(0)
    return AdoptedText(WordBody(), D_HIDDEN, N_WORDS)


@pytest.fixture
def image():
    torch.manual_seed(0)
    return AdoptedImage(PatchBody(), D_HIDDEN, 64, 16, [0.5, 0.4, 0.3], [0.5, 0.25, 0.2])


def ones(*shape):
    return torch.ones(*shape, dtype=torch.long)


def test_the_body_is_frozen_and_reads_as_in_evaluation(text):
    body = freeze(WordBody())
    assert not body.training
    assert not any(weight.requires_grad for weight in body.parameters())
    trained = {name.partition(".")[0] for name, weight in text.named_parameters() if weight.requires_grad}
    assert trained == {"heads"}
    assert torch.equal(text.read(ones(1, 5), ones(1, 5)), text.read(ones(1, 5), ones(1, 5)))


@torch.no_grad()
def test_texts_have_the_outputs_of_our_own_encoder(text):
    tokens, logits, scores = text(ones(2, 5), ones(2, 5))
    assert tokens.shape == (2, N_TOKENS, D_TOKEN)
    assert logits.shape == (2, N_LABELS)
    assert scores.shape == (2, N_LABELS, 5)
    assert ((scores >= 0) & (scores <= 1)).all()


@torch.no_grad()
def test_ids_beyond_the_vocabulary_are_its_last_word(text):
    beyond, last = (text.read(torch.tensor([[3, word]]), ones(1, 2)) for word in (40_000, N_WORDS - 1))
    assert torch.equal(beyond, last)


@torch.no_grad()
def test_padding_changes_no_text_and_is_no_evidence():
    torch.manual_seed(0)
    heads, hidden = TextHeads(D_HIDDEN).eval(), torch.randn(1, 4, D_HIDDEN)
    padded = torch.cat([hidden, torch.full((1, 3, D_HIDDEN), 50.0)], dim=1)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0, 0]])
    for alone, beside in zip(heads(hidden, ones(1, 4))[:2], heads(padded, mask)[:2], strict=True):
        torch.testing.assert_close(beside, alone, atol=1e-5, rtol=1e-4)
    assert (heads(padded, mask)[2][..., 4:] == 0).all()


@torch.no_grad()
@pytest.mark.parametrize("heads", [lambda hidden: TextHeads(D_HIDDEN), lambda hidden: ImageHeads(D_HIDDEN, 2)])
def test_hidden_states_come_in_any_scale(heads):
    torch.manual_seed(0)
    hidden = torch.randn(1, 4, D_HIDDEN)
    built = heads(hidden)
    arguments = (ones(1, 4),) if isinstance(built, TextHeads) else ()
    torch.testing.assert_close(built(hidden * 1000, *arguments)[1], built(hidden, *arguments)[1], atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_images_are_sized_and_normalised_as_the_body_was_trained(image):
    pixels = torch.full((1, 3, 160, 160), 255, dtype=torch.uint8)
    image.extract_features(pixels)
    assert image.body.seen.shape == (1, 3, 64, 64)
    assert image.body.seen[0, :, 0, 0].tolist() == pytest.approx([1.0, 2.4, 3.5])


@torch.no_grad()
def test_the_heatmap_has_a_cell_per_patch_and_none_for_the_class_token(image):
    pixels = torch.zeros(1, 3, 160, 160, dtype=torch.uint8)
    pixels[..., :40, 120:] = 255
    tokens, logits, heatmap = image(pixels)
    assert tokens.shape == (1, N_TOKENS, D_TOKEN)
    assert logits.shape == (1, N_LABELS)
    assert heatmap.shape == (1, N_LABELS, 4, 4)
    background = heatmap[..., 3, 0]
    different = (heatmap - background[..., None, None]).abs().amax(dim=1)[0] > 1e-4
    assert different.nonzero().tolist() == [[0, 3]]
