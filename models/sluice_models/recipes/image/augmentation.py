"""Augmentation of image batches: geometry, colour, blur and JPEG."""

from __future__ import annotations

import io
import math
import random

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (torch's own custom)


def transform(planes: Tensor, generator: torch.Generator, side: int) -> Tensor:
    """Flip, turn, scale and shift each picture.

    Half of the pictures show plain corners where they are turned away, with weapons and without alike: some of the
    bundle's weapon images came rotated that way, and the corners must not give them away.

    Parameters
    ----------
    planes : Tensor of float, shape = (B, C, 160, 160)
        The first three are colours; any further is 0 outside.
    side : int
        Of the result, px.
    """
    n_rows = len(planes)
    shape = [n_rows, planes.shape[1], side, side]
    grid = F.affine_grid(_placements(n_rows, generator), shape, align_corners=False)
    plain = torch.rand(n_rows, generator=generator) < 0.5
    moved = torch.empty(shape)
    moved[~plain] = F.grid_sample(planes[~plain], grid[~plain], padding_mode="border", align_corners=False)
    moved[plain] = F.grid_sample(planes[plain], grid[plain], padding_mode="zeros", align_corners=False)
    corners = ((grid.abs() > 1).any(dim=-1) & plain[:, None, None]).unsqueeze(1)
    shades = torch.randint(0, 4, (n_rows, 1, 1, 1), generator=generator)
    moved[:, :3] += (corners & (shades == 0)) * 255.0  # black for three of four, else white
    return moved


def _placements(n_rows: int, generator: torch.Generator) -> Tensor:
    """Affine maps, shape = (n, 2, 3): mostly small turns, any turn for one in ten."""
    draws = torch.rand(6, n_rows, generator=generator) * 2 - 1
    wide = torch.rand(n_rows, generator=generator) < 0.1
    angles = draws[0] * torch.where(wide, torch.tensor(math.pi), torch.tensor(0.3))
    scales, aspects = torch.exp(draws[1] * 0.3 - 0.1), torch.exp(draws[5] * 0.15)
    flips = torch.sign(draws[2])
    across, down = scales * aspects * flips, scales / aspects
    rows = [
        torch.stack([angles.cos() * across, -angles.sin() * down, draws[3] * 0.15], dim=1),
        torch.stack([angles.sin() * across, angles.cos() * down, draws[4] * 0.15], dim=1),
    ]
    return torch.stack(rows, dim=1)


def jitter_colours(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness, contrast, tint, greyness and noise; pixels of float, shape = (B, 3, H, W)."""
    n_rows = len(pixels)
    gains = 1 + 0.12 * _spread(generator, n_rows, 3)
    contrast, offset = 1 + 0.3 * _spread(generator, n_rows), 25 * _spread(generator, n_rows)
    grey = (torch.rand(n_rows, 1, 1, 1, generator=generator) < 0.1).float()
    coloured = pixels * (gains * contrast) + (128 * (1 - contrast) + offset)
    noisy = torch.rand(n_rows, generator=generator) < 0.2
    coloured[noisy] += torch.randn(int(noisy.sum()), 1, *pixels.shape[2:], generator=generator) * 6
    return coloured * (1 - grey) + coloured.mean(dim=1, keepdim=True) * grey


def _spread(generator: torch.Generator, n_rows: int, n_channels: int = 1) -> Tensor:
    return torch.rand(n_rows, n_channels, 1, 1, generator=generator) * 2 - 1


def blur_some(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Blur one picture in eight; shape = (B, 3, H, W)."""
    chosen = torch.rand(len(pixels), generator=generator) < 0.125
    blurred = F.avg_pool2d(pixels[chosen], 3, stride=1, padding=1, count_include_pad=False)
    return pixels.index_put((chosen,), blurred)


def compress_some(pixels: Tensor, rng: random.Random) -> Tensor:
    """Save one picture in eight as a poor JPEG; uint8, shape = (B, 3, H, W), in place."""
    for picture in pixels:
        if rng.random() < 0.125:
            packed = io.BytesIO()
            Image.fromarray(picture.permute(1, 2, 0).numpy()).save(packed, "JPEG", quality=rng.randint(15, 60))
            picture[:] = torch.from_numpy(np.array(Image.open(packed))).permute(2, 0, 1)
    return pixels
