"""Blocks of the image encoder: full 3 x 3 convolutions, which one CPU core computes fastest for what they learn."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)


class Gate(nn.Module):
    """Scales every channel by what the whole image shows (squeeze and excitation: Hu et al. 2018)."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        n_inner = max(n_channels // 8, 4)
        self.squeeze = nn.Linear(n_channels, n_inner)
        self.excite = nn.Linear(n_inner, n_channels)

    def forward(self, planes: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        weights = torch.sigmoid(self.excite(F.relu(self.squeeze(planes.mean(dim=(2, 3))))))
        return planes * weights.unsqueeze(-1).unsqueeze(-1)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016); `gated` adds a `Gate` to the former."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1, gated: bool = False) -> None:
        super().__init__()
        self.first = convolution(n_in, n_out, 3, stride)
        self.second = convolution(n_out, n_out, 3)
        # Each block starts as its shortcut: so a deep stack learns from the first step on.
        nn.init.zeros_(self.second.get_parameter("1.weight"))
        self.gate = Gate(n_out) if gated else nn.Identity()
        same = n_in == n_out and stride == 1
        self.shortcut = nn.Identity() if same else convolution(n_in, n_out, 1, stride)

    def forward(self, planes: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / stride, W / stride)."""
        change = self.gate(self.second(F.relu(self.first(planes))))
        return F.relu(change + self.shortcut(planes))


def convolution(n_in: int, n_out: int, size: int, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the sides (before its stride), and its batch norm."""
    weights = nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, bias=False)
    return nn.Sequential(weights, nn.BatchNorm2d(n_out))


def stack(channels: tuple[int, int, int, int]) -> nn.Sequential:
    """160 x 160 pixels to 10 x 10 cells: quickly down to 40 x 40, then most of the work where the planes are small."""
    stem, first, second, third = channels
    return nn.Sequential(
        convolution(3, stem, 3, 2),
        nn.ReLU(),
        convolution(stem, first, 3, 2),
        nn.ReLU(),
        ResidualBlock(first, first),
        ResidualBlock(first, second, 2),
        ResidualBlock(second, second, gated=True),
        ResidualBlock(second, third, 2, gated=True),
        ResidualBlock(third, third, gated=True),
    )
