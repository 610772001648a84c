"""Our own tower: its shapes, its quarters, its gates, and that it speaks of learned labels alone."""

import pytest
import torch

from sluice.contract import HEATMAP_CELLS, N_TOKENS
from sluice_models.config import D_TOKEN
from sluice_models.networks.image import LEARNED
from sluice_models.networks.residual import Gate, ResidualBlock, ResidualEncoder, stack
from tests.models.tiny_networks import OWN

pytestmark = pytest.mark.torch

N_PLANES = OWN.channels[-1]


@pytest.fixture(scope="module")
def tower():
    torch.manual_seed(0)
    return ResidualEncoder(OWN).eval()


def draw_pixels(n_rows):
    return torch.randint(0, 256, (n_rows, 3, 160, 160), dtype=torch.uint8)


@torch.no_grad()
def test_outputs_are_of_the_learned_labels(tower):
    tokens, logits, heatmap = tower(draw_pixels(2))
    assert tokens.shape == (2, N_TOKENS, D_TOKEN)
    assert logits.shape == (2, len(LEARNED))
    assert heatmap.shape == (2, len(LEARNED), HEATMAP_CELLS, HEATMAP_CELLS)
    assert ((heatmap >= 0) & (heatmap <= 1)).all()


@torch.no_grad()
def test_a_row_does_not_depend_on_its_batch(tower):
    pixels = draw_pixels(3)
    torch.testing.assert_close(tower(pixels)[1][1:2], tower(pixels[1:2])[1], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_each_token_reads_its_quarter_and_the_mean_of_all(tower):
    planes = torch.zeros(1, N_PLANES, 10, 10)
    planes[..., :5, 5:] = 1.0
    tokens, empty = tower.tokens(planes), tower.tokens(torch.zeros_like(planes))
    torch.testing.assert_close(tokens[:, 0], tokens[:, 3])
    assert (tokens[:, 1] - tokens[:, 0]).abs().max() > 1e-3
    assert (tokens[:, 0] - empty[:, 0]).abs().max() > 1e-3


@torch.no_grad()
def test_a_small_object_counts_by_its_strongest_cell(tower):
    spread, peaked = torch.zeros(1, N_PLANES, 10, 10), torch.zeros(1, N_PLANES, 10, 10)
    spread[..., :5, :5] = 0.04
    peaked[..., 2, 2] = 1.0  # the same mean of the quarter, and of the whole
    assert (tower.tokens(spread)[:, 0] - tower.tokens(peaked)[:, 0]).abs().max() > 1e-2


@torch.no_grad()
def test_scale_and_shift_calibrate_the_logits_alone():
    tower, pixels = ResidualEncoder(OWN).eval(), draw_pixels(1)
    before = tower(pixels)
    tower.scale.fill_(2.0)
    tower.shift.copy_(torch.tensor([1.0, -1.0]))
    tokens, logits, heatmap = tower(pixels)
    torch.testing.assert_close(logits, before[1] * 2 + torch.tensor([[1.0, -1.0]]))
    assert torch.equal(tokens, before[0])
    assert torch.equal(heatmap, before[2])


@torch.no_grad()
def test_a_gate_scales_whole_channels():
    planes = torch.rand(2, 8, 4, 4) + 0.5
    shares = Gate(8)(planes) / planes
    torch.testing.assert_close(shares, shares[..., :1, :1].expand_as(shares))
    assert ((shares > 0) & (shares < 1)).all()


@torch.no_grad()
@pytest.mark.parametrize(("n_out", "stride"), [(4, 1), (8, 2)])
def test_a_block_that_changes_nothing_is_its_shortcut(n_out, stride):
    block = ResidualBlock(4, n_out, stride)
    for weight in block.second.parameters():
        weight.zero_()
    planes = torch.rand(1, 4, 6, 6)
    assert block(planes).shape == (1, n_out, 6 // stride, 6 // stride)
    torch.testing.assert_close(block(planes), torch.relu(block.shortcut(planes)))


@torch.no_grad()
def test_a_cell_is_sixteen_pixels_wide():
    assert stack(OWN.channels)(torch.zeros(1, 3, 160, 160)).shape == (1, N_PLANES, 10, 10)
