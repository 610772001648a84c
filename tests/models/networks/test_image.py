"""The image encoder: its shapes, its quarters, and that no image reads another."""

import pytest
import torch

from sluice.schema import LABELS
from sluice_models.config import D_TOKEN, ImageNetwork
from sluice_models.networks.image import Gate, ImageEncoder, ResidualBlock, convolution

pytestmark = pytest.mark.torch

N_LABELS = len(LABELS)


@pytest.fixture(scope="module")
def image_encoder():
    torch.manual_seed(0)
    return ImageEncoder(ImageNetwork(channels=(4, 4, 8, 8))).eval()


@torch.no_grad()
def test_outputs_have_the_shapes_of_the_design(image_encoder):
    tokens, logits, heatmap = image_encoder(torch.randint(0, 256, (2, 3, 160, 160), dtype=torch.uint8))
    assert tokens.shape == (2, 4, 256)
    assert logits.shape == (2, N_LABELS)
    assert heatmap.shape == (2, N_LABELS, 10, 10)
    assert ((heatmap >= 0) & (heatmap <= 1)).all()


@torch.no_grad()
def test_a_row_does_not_depend_on_its_batch(image_encoder):
    pixels = torch.randint(0, 256, (3, 3, 160, 160), dtype=torch.uint8)
    torch.testing.assert_close(image_encoder(pixels)[1][1:2], image_encoder(pixels[1:2])[1], atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("side", [96, 128, 160])
def test_a_cell_is_16_pixels_wide_at_every_side_of_training(image_encoder, side):
    tokens, _, heatmap = image_encoder(torch.zeros(1, 3, side, side, dtype=torch.uint8))
    assert heatmap.shape[2:] == (side // 16, side // 16)
    assert tokens.shape == (1, 4, D_TOKEN)


@torch.no_grad()
@pytest.mark.parametrize("level", [0, 255])
def test_images_of_one_colour_give_finite_outputs(image_encoder, level):
    outputs = image_encoder(torch.full((1, 3, 160, 160), level, dtype=torch.uint8))
    assert all(output.isfinite().all() for output in outputs)


@torch.no_grad()
def test_bytes_and_floats_of_the_same_pixels_are_the_same(image_encoder):
    pixels = torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8)
    torch.testing.assert_close(image_encoder(pixels)[1], image_encoder(pixels.float())[1])


@torch.no_grad()
def test_each_token_reads_its_quarter_and_the_mean_of_all(image_encoder):
    planes = torch.zeros(1, 8, 10, 10)
    planes[..., :5, 5:] = 1.0
    tokens = image_encoder.tokens(planes)
    torch.testing.assert_close(tokens[:, 0], tokens[:, 2])
    torch.testing.assert_close(tokens[:, 0], tokens[:, 3])
    assert (tokens[:, 1] - tokens[:, 0]).abs().max() > 1e-3
    empty = image_encoder.tokens(torch.zeros(1, 8, 10, 10))
    assert (tokens[:, 0] - empty[:, 0]).abs().max() > 1e-3


@torch.no_grad()
def test_a_small_object_counts_by_its_strongest_cell(image_encoder):
    spread, peaked = torch.full((1, 8, 10, 10), 0.04), torch.zeros(1, 8, 10, 10)
    for top in (0, 5):
        for left in (0, 5):
            peaked[..., top, left] = 1.0
    torch.testing.assert_close(spread.mean(), peaked.mean())
    assert (image_encoder.tokens(spread) - image_encoder.tokens(peaked)).abs().max() > 1e-2


@torch.no_grad()
def test_a_residual_block_starts_as_its_shortcut():
    block = ResidualBlock(4, 4).eval()
    planes = torch.rand(1, 4, 6, 6)
    torch.testing.assert_close(block(planes), planes)
    narrower = ResidualBlock(4, 8, stride=2, gated=True).eval()
    torch.testing.assert_close(narrower(planes), torch.relu(narrower.shortcut(planes)))
    assert narrower(planes).shape == (1, 8, 3, 3)


@torch.no_grad()
def test_a_gate_weakens_whole_channels_and_turns_none_around():
    torch.manual_seed(0)
    gate, planes = Gate(8), torch.randn(2, 8, 5, 5)
    shares = gate(planes) / planes
    torch.testing.assert_close(shares, shares[..., :1, :1].expand_as(shares), atol=1e-4, rtol=1e-4)
    assert ((shares > 0) & (shares < 1)).all()


@torch.no_grad()
@pytest.mark.parametrize(("size", "stride", "side"), [(3, 1, 8), (3, 2, 4), (1, 1, 8), (1, 2, 4)])
def test_a_convolution_keeps_the_sides_before_its_stride(size, stride, side):
    assert convolution(2, 3, size, stride).eval()(torch.rand(1, 2, 8, 8)).shape == (1, 3, side, side)
