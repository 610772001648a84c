"""The image encoder: a residual network of full 3 x 3 convolutions.

One CPU core computes those fastest for what they learn.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice_models.config import D_TOKEN, ImageNetwork
from sluice_models.networks.heads import N_LABELS, RARE_LOGIT, LabelHead


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


class ImageEncoder(nn.Module):
    """A small residual network; its 10 x 10 cells become 2 x 2 tokens and the heatmap.

    `kinds` tells what object an image shows; only training asks for it.
    """

    def __init__(self, network: ImageNetwork) -> None:
        super().__init__()
        n_planes = network.channels[-1]
        self.stages = stack(network.channels)
        self.to_tokens = nn.Linear(3 * n_planes, D_TOKEN)
        self.token_norm = nn.LayerNorm(D_TOKEN)
        self.cells = nn.Conv2d(n_planes, N_LABELS, 1)
        nn.init.constant_(self.cells.bias, RARE_LOGIT)  # type: ignore[arg-type]
        self.kinds = nn.Linear(n_planes, network.n_kinds)
        self.head = LabelHead()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score images.

        Parameters
        ----------
        pixels : Tensor of uint8, shape = (B, 3, 160, 160)
            Training also uses other sides, multiples of 32; cells are 16 px wide at any.

        Returns
        -------
        tokens : Tensor, shape = (B, N_TOKENS, 256)
        logits : Tensor, shape = (B, labels)
        heatmap : Tensor, shape = (B, labels, 10, 10)
            In [0, 1].
        """
        planes = self.extract_features(pixels)
        tokens = self.tokens(planes)
        return tokens, self.head(tokens), torch.sigmoid(self.cells(planes))

    def extract_features(self, pixels: Tensor) -> Tensor:
        """Pixels to planes, shape = (B, C, side / 16, side / 16)."""
        return self.stages(pixels.to(self.cells.weight.dtype) / 127.5 - 1.0)  # type: ignore[no-any-return]

    def tokens(self, planes: Tensor) -> Tensor:
        """(B, C, H, W) to (B, N_TOKENS, 256): a token per quarter.

        It holds the quarter's mean, its strongest cells (for small objects), and the mean of the whole image.
        """
        half = planes.shape[-1] // 2
        means, peaks = F.avg_pool2d(planes, half).flatten(2), F.max_pool2d(planes, half).flatten(2)
        whole = means.mean(dim=2, keepdim=True).expand_as(means)
        quarters = torch.cat([means, peaks, whole], dim=1).transpose(1, 2)
        return self.token_norm(self.to_tokens(quarters))  # type: ignore[no-any-return]
