"""MobileNet V2: its shapes, how it pads, and what a block adds."""

import pytest
import torch

from sluice_models.networks.mobilenet import REPEATS, InvertedBlock, MobileNet, make_blocks, pad_same
from tests.models.tiny_networks import IMAGE

pytestmark = pytest.mark.torch


@torch.no_grad()
@pytest.mark.parametrize("side", [96, 160])
def test_a_cell_is_32_pixels_wide(side):
    torch.manual_seed(0)
    planes = MobileNet(IMAGE).eval()(torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8))
    assert planes.shape == (2, IMAGE.n_planes, side // 32, side // 32)
    assert ((planes >= 0) & (planes <= 6)).all()


@pytest.mark.parametrize(("stride", "before", "after"), [(2, 0, 1), (1, 1, 1)])
def test_what_is_uneven_is_padded_below_and_on_the_right(stride, before, after):
    padded = pad_same(torch.ones(1, 1, 4, 4), stride)[0, 0]
    assert padded.shape == (4 + before + after,) * 2
    assert (padded[before : before + 4, before : before + 4] == 1).all()
    assert padded.sum() == 16


def test_groups_halve_in_their_first_block_and_the_first_of_all_is_not_widened():
    blocks = make_blocks(IMAGE)
    assert len(blocks) == sum(REPEATS)
    assert [block.stride for block in blocks].count(2) == 4
    assert [block.expand is None for block in blocks] == [True] + [False] * (len(blocks) - 1)


@torch.no_grad()
@pytest.mark.parametrize(("n_out", "stride", "is_residual"), [(4, 1, True), (4, 2, False), (8, 1, False)])
def test_a_block_has_a_shortcut_where_the_shape_stays(n_out, stride, is_residual):
    block = InvertedBlock(4, n_out, stride, 6).eval()
    for weight in block.project.parameters():
        weight.zero_()
    planes = torch.rand(1, 4, 8, 8)
    assert block(planes).shape == (1, n_out, 8 // stride, 8 // stride)
    expected = planes if is_residual else torch.zeros(1, n_out, 8 // stride, 8 // stride)
    torch.testing.assert_close(block(planes), expected)


@torch.no_grad()
def test_bytes_and_floats_of_the_same_pixels_are_the_same():
    torch.manual_seed(0)
    network, pixels = MobileNet(IMAGE).eval(), torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8)
    torch.testing.assert_close(network(pixels), network(pixels.float()))
