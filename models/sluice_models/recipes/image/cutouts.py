"""Objects cut from their near-white background, pasted on other pictures.

Most weapon images are product shots. Pasting weapons elsewhere, and harmless objects too, leaves the background no say.
"""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

_EDGE_PX = 5
WHITE_FROM = 236
"""Of the darkest of the three colours."""


def find_cutouts(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which pictures, shape = (n, 3, S, S), show an object of fair size on nearly white: shape = (n,)."""
    return np.array([_is_cutout(picture) for picture in pixels])


def _is_cutout(picture: npt.NDArray[np.uint8]) -> bool:
    white = picture[:, ::2, ::2].min(axis=0) >= WHITE_FROM
    ring = np.ones_like(white)
    ring[_EDGE_PX // 2 : -(_EDGE_PX // 2), _EDGE_PX // 2 : -(_EDGE_PX // 2)] = False
    return bool(white[ring].mean() > 0.85 and 0.05 < 1 - white.mean() < 0.7)


def cut(pictures: Tensor) -> Tensor:
    """Opacity in [0, 1], shape = (n, 1, S, S), of what is not white in pictures of float; small holes are closed."""
    darkness = (WHITE_FROM + 8 - pictures.amin(dim=1, keepdim=True)) / 24
    opacity = darkness.clamp(0, 1)
    return -F.max_pool2d(-F.max_pool2d(opacity, 3, 1, 1), 5, 1, 2)


def paste(pixels: Tensor, objects: Tensor, rng: random.Random) -> Tensor:
    """Paste one object on each picture, in place, and say where.

    Parameters
    ----------
    pixels, objects : Tensor of float, shape = (n, 3, S, S)

    Returns
    -------
    Tensor, shape = (n, 1, S, S)
        Opacity of what was pasted.
    """
    maps = torch.tensor([_placement(rng) for _ in range(len(pixels))])
    layers = torch.cat([objects, cut(objects)], dim=1)
    grid = F.affine_grid(maps, list(layers.shape), align_corners=False)
    layers = F.grid_sample(layers, grid, padding_mode="zeros", align_corners=False)
    opacity = layers[:, 3:]
    lights = torch.tensor([rng.uniform(0.7, 1.15) for _ in range(len(pixels))]).view(-1, 1, 1, 1)
    pixels += (layers[:, :3] * lights - pixels) * opacity
    return opacity


def _placement(rng: random.Random) -> list[list[float]]:
    """Shrunk to 0.35 to 0.95 of the picture and moved within it, some turned by any angle."""
    size = rng.uniform(0.35, 0.95)
    angle = rng.uniform(-3.14, 3.14) if rng.random() < 0.3 else rng.uniform(-0.4, 0.4)
    cosine, sine = float(np.cos(angle)) / size, float(np.sin(angle)) / size
    x, y = (rng.uniform(-1, 1) * (1 - size) for _ in range(2))
    flip = rng.choice((-1.0, 1.0))
    return [
        [cosine * flip, -sine, -(cosine * flip * x - sine * y)],
        [sine * flip, cosine, -(sine * flip * x + cosine * y)],
    ]
