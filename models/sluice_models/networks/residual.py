"""A residual network of full 3 x 3 convolutions, trained from nothing on the bundle's pictures.

One CPU core computes those fastest for what they learn. Batch norms are folded into the convolutions before them;
`sluice_models.training.own_tower` says where the weights come from.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice_models.config import D_TOKEN, ResidualNetwork
from sluice_models.networks.heads import pool_evidence
from sluice_models.networks.image import LEARNED


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
        self.gate = Gate(n_out) if gated else nn.Identity()
        same = n_in == n_out and stride == 1
        self.shortcut = nn.Identity() if same else convolution(n_in, n_out, 1, stride)

    def forward(self, planes: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / stride, W / stride)."""
        change = self.gate(self.second(F.relu(self.first(planes))))
        return F.relu(change + self.shortcut(planes))


def convolution(n_in: int, n_out: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the sides (before its stride); its batch norm is part of its weights and bias."""
    return nn.Conv2d(n_in, n_out, size, stride, padding=size // 2)


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


class ResidualEncoder(nn.Module):
    """The stages' 10 x 10 cells become 2 x 2 tokens and the heatmap, of the learned labels alone.

    `scale` and `shift`, shape = (learned labels,), calibrate the logits.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: ResidualNetwork) -> None:
        super().__init__()
        n_planes = network.channels[-1]
        self.stages = stack(network.channels)
        self.to_tokens = nn.Linear(3 * n_planes, D_TOKEN)
        self.token_norm = nn.LayerNorm(D_TOKEN)
        self.cells = nn.Conv2d(n_planes, len(LEARNED), 1)
        self.evidence = nn.Linear(D_TOKEN, len(LEARNED))
        self.register_buffer("scale", torch.ones(len(LEARNED)))
        self.register_buffer("shift", torch.zeros(len(LEARNED)))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score images.

        Parameters
        ----------
        pixels : Tensor of uint8, shape = (B, 3, 160, 160)

        Returns
        -------
        tokens : Tensor, shape = (B, N_TOKENS, D_TOKEN)
        logits : Tensor, shape = (B, learned labels)
        heatmap : Tensor, shape = (B, learned labels, HEATMAP_CELLS, HEATMAP_CELLS)
            In [0, 1].
        """
        planes = self.stages(pixels.to(self.cells.weight.dtype) / 127.5 - 1.0)
        tokens = self.tokens(planes)
        logits = pool_evidence(self.evidence(tokens)) * self.scale + self.shift
        return tokens, logits, torch.sigmoid(self.cells(planes))

    def tokens(self, planes: Tensor) -> Tensor:
        """(B, C, 10, 10) to a token per quarter, (B, N_TOKENS, D_TOKEN).

        A token holds its quarter's mean, its strongest cells (for small objects), and the mean of the whole image.
        """
        half = planes.shape[-1] // 2
        means, peaks = F.avg_pool2d(planes, half).flatten(2), F.max_pool2d(planes, half).flatten(2)
        whole = means.mean(dim=2, keepdim=True).expand_as(means)
        tokens: Tensor = self.token_norm(self.to_tokens(torch.cat([means, peaks, whole], dim=1).transpose(1, 2)))
        return tokens
