"""Two towers as one encoder: means of both, and `sexual` of one of them."""

import pytest
import torch

from sluice.contract import HEATMAP_CELLS, N_TOKENS
from sluice.schema import LABELS
from sluice_models.config import D_TOKEN
from sluice_models.networks.image import EXPLICIT_PLACE, SEXUAL, UNSEEN_LOGIT
from sluice_models.networks.two_towers import FIRST_JOINED, PLACES, TwoTowers, join_heatmaps, join_tokens
from tests.models.tiny_networks import IMAGE, OWN

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return TwoTowers(IMAGE, OWN).eval()


@pytest.fixture(scope="module")
def pixels():
    return torch.randint(0, 256, (3, 3, 160, 160), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_outputs_have_the_shapes_of_the_design(encoder, pixels):
    tokens, logits, heatmap = encoder(pixels)
    assert tokens.shape == (3, N_TOKENS, D_TOKEN)
    assert logits.shape == (3, len(LABELS))
    assert heatmap.shape == (3, len(LABELS), HEATMAP_CELLS, HEATMAP_CELLS)
    assert ((heatmap >= 0) & (heatmap <= 1)).all()


@torch.no_grad()
def test_learned_labels_have_the_mean_of_both_towers_log_odds(encoder, pixels):
    expected = (encoder.adopted(pixels)[1][:, PLACES] + encoder.own(pixels)[1]) / 2
    torch.testing.assert_close(encoder(pixels)[1][:, PLACES], expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_each_tower_counts_as_it_is_calibrated(pixels):
    encoder = TwoTowers(IMAGE, OWN).eval()
    before = encoder(pixels)[1]
    encoder.own.shift.add_(3.0)
    encoder.adopted.head.shift[PLACES[0]] += 1.0
    change = encoder(pixels)[1] - before
    torch.testing.assert_close(change[:, PLACES], torch.tensor([[2.0, 1.5]]).expand(3, -1), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_sexual_and_unseen_labels_are_the_adopted_towers(encoder, pixels):
    adopted, logits = encoder.adopted(pixels)[1], encoder(pixels)[1]
    torch.testing.assert_close(logits[:, SEXUAL], adopted[:, SEXUAL])
    unseen = [index for index in range(len(LABELS)) if index not in (*PLACES, SEXUAL)]
    assert (logits[:, unseen] == UNSEEN_LOGIT).all()


@torch.no_grad()
def test_the_head_reads_nothing_but_the_last_places(encoder):
    tokens = torch.randn(1, N_TOKENS, D_TOKEN)
    other = tokens.clone()
    other[..., :FIRST_JOINED] += 5.0
    assert torch.equal(encoder.head(tokens), encoder.head(other))


def test_tokens_hold_the_mean_then_the_logits_then_how_explicit_the_image_is():
    adopted, own = torch.zeros(1, N_TOKENS, D_TOKEN), torch.ones(1, N_TOKENS, D_TOKEN)
    adopted[..., EXPLICIT_PLACE] = 7.0
    tokens = join_tokens(adopted, own, torch.tensor([[4.0, -8.0]]))
    assert (tokens[..., :FIRST_JOINED] == 0.5).all()
    assert tokens[0, :, FIRST_JOINED:].tolist() == [[1.0, -2.0, 7.0]] * N_TOKENS


def test_heatmaps_of_learned_labels_are_means_and_others_stay():
    adopted, own = torch.rand(2, len(LABELS), 3, 3), torch.rand(2, len(PLACES), 3, 3)
    joined = join_heatmaps(adopted, own)
    torch.testing.assert_close(joined[:, PLACES], (adopted[:, PLACES] + own) / 2)
    others = [index for index in range(len(LABELS)) if index not in PLACES]
    assert torch.equal(joined[:, others], adopted[:, others])
