"""Images for training: decoded once as in serving, and varied on the way into a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from engine.features import IMAGE_SIZE_PX
from engine.features.image import extract_image
from engine.schema import LABELS
from models.bundle import Example, Split, read_media
from models.drawings import draw_pictures

SEEN = ("weapons", "fire")
"""Labels that the bundle's images have positives for; every other label counts as 0."""
N_DRAWN = {"train": 1200, "val": 150}


@dataclass(frozen=True)
class Pictures:
    """`pixels` of uint8, shape = (n, 3, 160, 160), on disk; `targets`, shape = (n, labels); NaN is not annotated."""

    pixels: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.float32]


def load_pictures(bundle: Path, split: Split, runs: Path) -> Pictures:
    """All images of a split and drawn ones; decoded once into ``runs/pixels-<split>.npy``."""
    examples = read_media(bundle, "images", split)
    drawn = np.zeros((N_DRAWN[split], len(LABELS)), np.float32)
    targets = np.concatenate([np.stack([picture_targets(example) for example in examples]), drawn])
    file = runs / f"pixels-{split}.npy"
    if not file.is_file():
        _decode_all(examples, split, file)
    return Pictures(np.load(file, mmap_mode="r"), targets)


def _decode_all(examples: list[Example], split: Split, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    photographs = [extract_image(example.media.read_bytes()).rows[0].pixels for example in examples if example.media]
    drawn = draw_pictures(N_DRAWN[split], seed=1 if split == "train" else 2)
    np.save(file, np.concatenate([np.stack(photographs), drawn]))


def picture_targets(example: Example) -> npt.NDArray[np.float32]:
    """An image's targets, shape = (labels,), with the labels that no image is positive for set to 0."""
    seen = np.isin(LABELS, SEEN)
    return np.where(seen, example.targets, 0.0).astype(np.float32)


def picture_batches(pictures: Pictures, n_batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless varied batches: pixels of uint8, shape = (B, 3, 160, 160), and targets."""
    chance = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    while True:
        order = chance.permutation(len(pictures.targets))
        for start in range(0, len(order) - n_batch + 1, n_batch):
            chosen = np.sort(order[start : start + n_batch])
            pixels = torch.from_numpy(np.asarray(pictures.pixels[chosen]))
            yield vary(pixels, generator), torch.from_numpy(pictures.targets[chosen])


def vary(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Flip, turn, scale, shift, recolour and roughen a batch.

    Rotation leaves black corners in half of the batches, with weapons and without alike: some of the bundle's weapon
    images came rotated that way, and the corners must not give them away.
    """
    floats = pixels.float()
    corners = "zeros" if torch.rand(1, generator=generator) < 0.5 else "border"
    grid = F.affine_grid(_placements(len(pixels), generator), list(floats.shape), align_corners=False)
    moved = F.grid_sample(floats, grid, mode="bilinear", padding_mode=corners, align_corners=False)
    return _recolour(moved, generator).clamp(0, 255).to(torch.uint8)


def _placements(n_rows: int, generator: torch.Generator) -> Tensor:
    """Affine maps, shape = (n, 2, 3): mostly small turns, any turn for one in ten."""
    draws = torch.rand(5, n_rows, generator=generator) * 2 - 1
    wide = torch.rand(n_rows, generator=generator) < 0.1
    angles = draws[0] * torch.where(wide, torch.tensor(math.pi), torch.tensor(0.2))
    scales = torch.exp(draws[1] * 0.2)
    flips = torch.sign(draws[2])
    rows = [
        torch.stack([angles.cos() * scales * flips, -angles.sin() * scales, draws[3] * 0.1], dim=1),
        torch.stack([angles.sin() * scales * flips, angles.cos() * scales, draws[4] * 0.1], dim=1),
    ]
    return torch.stack(rows, dim=1)


def _recolour(pixels: Tensor, generator: torch.Generator) -> Tensor:
    n_rows = len(pixels)
    gains = 1 + 0.15 * (torch.rand(n_rows, 3, 1, 1, generator=generator) * 2 - 1)
    brightness = 1 + 0.2 * (torch.rand(n_rows, 1, 1, 1, generator=generator) * 2 - 1)
    offset = 20 * (torch.rand(n_rows, 1, 1, 1, generator=generator) * 2 - 1)
    grey = (torch.rand(n_rows, 1, 1, 1, generator=generator) < 0.1).float()
    noise = torch.randn(n_rows, 1, IMAGE_SIZE_PX, IMAGE_SIZE_PX, generator=generator) * 6
    noisy = (torch.rand(n_rows, 1, 1, 1, generator=generator) < 0.3).float()
    coloured = pixels * gains * brightness + offset + noise * noisy
    return coloured * (1 - grey) + coloured.mean(dim=1, keepdim=True) * grey
