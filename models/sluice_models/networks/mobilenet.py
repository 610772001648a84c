"""MobileNet V2 (Sandler et al. 2018): a network of pictures whose weights others have trained.

Batch norms are folded into the convolutions before them, as they are served.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice_models.config import ImageNetwork

EXPANSION = 6
"""How many times wider a block is inside; the first is as wide as its input."""
REPEATS = (1, 2, 3, 4, 3, 3, 1)
"""Blocks in each group."""
STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Of the first block of each group; the stem halves before them."""
KERNEL = 3


def pad_same(planes: Tensor, stride: int) -> Tensor:
    """Pad even sides as TensorFlow does, shape = (B, C, H, W): what is uneven goes below and on the right."""
    before, after = (KERNEL - stride) // 2, (KERNEL - stride + 1) // 2
    return F.pad(planes, (before, after, before, after))


class InvertedBlock(nn.Module):
    """Widens, looks around in every plane by itself, narrows; a shortcut where the shape stays."""

    def __init__(self, n_in: int, n_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        n_inner = n_in * expansion
        self.stride, self.is_residual = stride, stride == 1 and n_in == n_out
        self.expand = nn.Conv2d(n_in, n_inner, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(n_inner, n_inner, KERNEL, stride, groups=n_inner)
        self.project = nn.Conv2d(n_inner, n_out, 1)

    def forward(self, planes: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / stride, W / stride)."""
        wide = planes if self.expand is None else F.relu6(self.expand(planes))
        seen = F.relu6(self.depthwise(pad_same(wide, self.stride)))
        narrow: Tensor = self.project(seen)
        return planes + narrow if self.is_residual else narrow


class MobileNet(nn.Module):
    """Pixels to planes, a cell for 32 x 32 pixels."""

    def __init__(self, network: ImageNetwork) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, network.stem, KERNEL, 2)
        self.blocks = nn.Sequential(*make_blocks(network))
        self.last = nn.Conv2d(network.channels[-1], network.n_planes, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Read pixels.

        Parameters
        ----------
        pixels : Tensor of uint8, shape = (B, 3, S, S)
            S is a multiple of 32.

        Returns
        -------
        Tensor, shape = (B, n_planes, S / 32, S / 32)
            In [0, 6].
        """
        scaled = pixels.to(self.stem.weight.dtype) / 127.5 - 1.0
        planes: Tensor = self.blocks(F.relu6(self.stem(pad_same(scaled, 2))))
        return F.relu6(self.last(planes))


def make_blocks(network: ImageNetwork) -> list[InvertedBlock]:
    """The seven groups' blocks, in one row."""
    blocks, n_in = [], network.stem
    for number, (n_out, n_repeats, stride) in enumerate(zip(network.channels, REPEATS, STRIDES, strict=True)):
        for place in range(n_repeats):
            expansion = EXPANSION if number else 1
            blocks.append(InvertedBlock(n_in, n_out, stride if place == 0 else 1, expansion))
            n_in = n_out
    return blocks
