"""Batches of varied pictures: harms and their look-alikes in fixed shares, small sides first."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice.features import IMAGE_SIZE_PX
from sluice_models.recipes.image.augmentation import (
    blur_some,
    caption_some,
    compress_some,
    draw_captions,
    erase_rectangles,
    jitter_colours,
    transform,
)
from sluice_models.recipes.image.cutouts import find_cutouts, paste
from sluice_models.recipes.image.pictures import FIRE, SEEN, WEAPONS, Pictures

SHARES = {
    "drawn:weapons": 0.07,
    "drawn:fire": 0.04,
    "weapons": 0.30,
    "fire": 0.14,
    "objects_webthumbs_sparsh:harmless": 0.11,
    "sofwerx_ak47:harmless": 0.04,
    "kaggle_fire_dataset(phylake1337):harmless": 0.04,
    "drawn:harmless": 0.08,
    "sroie_receipts:harmless": 0.02,
}
"""Of a batch, by source and harm or by harm; the rest is everything else."""
PASTED = 0.25
"""Of pictures that get a cut-out object pasted on."""
SIDES = ((0.5, 96), (0.75, 128), (1.0, IMAGE_SIZE_PX))
"""Up to which share of the steps pictures have which side, px: small ones teach the same at a third of the time."""


@dataclass(frozen=True)
class SamplingPlan:
    """What a stage of training is fed.

    Attributes
    ----------
    shares : mapping
        As `SHARES`.
    sides : tuple
        As `SIDES`.
    seed : int
        Of what is drawn and how it is varied.
    """

    shares: Mapping[str, float]
    sides: tuple[tuple[float, int], ...]
    seed: int


FIRST_STAGE = SamplingPlan(SHARES, SIDES, 0)
LOOK_ALIKES = {"drawn:weapons": 0.12, "drawn:fire": 0.06, "drawn:harmless": 0.18, "weapons": 0.24, "fire": 0.10}
LAST_STAGE = SamplingPlan(SHARES | LOOK_ALIKES, ((1.0, IMAGE_SIZE_PX),), 1)
"""At the end: full size, and more drawn harms and look-alikes, which are the hardest to tell apart."""
CELL_PX = 16
_INSIDE = 0.3
"""Share of a cell that the harm covers, from which the cell should tell."""


class PictureBatch(NamedTuple):
    """What a step learns from.

    Attributes
    ----------
    pixels : Tensor of uint8, shape = (B, 3, side, side)
    targets : Tensor, shape = (B, labels)
    cells : Tensor, shape = (B, len(SEEN), side / 16, side / 16)
        1 where the harm is, 0 where it is not, NaN where nobody knows.
    kinds : Tensor of int64, shape = (B,)
        -1 where nobody says.
    """

    pixels: Tensor
    targets: Tensor
    cells: Tensor
    kinds: Tensor


def row_probabilities(groups: npt.NDArray[np.str_], shares: Mapping[str, float] = SHARES) -> npt.NDArray[np.float64]:
    """How likely each picture is to be the next, shape = (n,): its group's share, evenly."""
    owners = np.array([_share_name(group) for group in groups])
    names, inverse, counts = np.unique(owners, return_inverse=True, return_counts=True)
    rest = 1 - sum(shares[name] for name in names if name in shares)
    probabilities = (np.array([shares.get(name, rest) for name in names]) / counts)[inverse]
    return probabilities / probabilities.sum()  # type: ignore[no-any-return]


def _share_name(group: str) -> str:
    harm = group.rpartition(":")[2]
    return group if group in SHARES else harm if harm in SHARES else "rest"


def side_at(progress: float, sides: Sequence[tuple[float, int]] = SIDES) -> int:
    """Side of the pictures, px, at a share of the steps."""
    return next((side for end, side in sides if progress < end), IMAGE_SIZE_PX)


def picture_batches(
    pictures: Pictures, n_batch: int, n_steps: int, plan: SamplingPlan = FIRST_STAGE
) -> Iterator[PictureBatch]:
    """Endless batches, the same at each start; after `n_steps` they stay at the full side."""
    composer = Composer(pictures, plan)
    step = 0
    while True:
        yield composer.compose(n_batch, side_at(step / n_steps, plan.sides))
        step += 1


class Composer:
    """Draws rows by their probabilities, pastes objects, and varies the whole."""

    def __init__(self, pictures: Pictures, plan: SamplingPlan) -> None:
        self.pictures = pictures
        self.probabilities = row_probabilities(pictures.groups, plan.shares)
        cutouts = find_cutouts(pictures.pixels) & ~np.char.startswith(pictures.groups, "drawn")
        cutouts &= ~np.char.startswith(pictures.groups, "sroie")
        harmful = pictures.targets[:, WEAPONS] == 1
        self.donors = np.flatnonzero(cutouts & harmful), np.flatnonzero(cutouts & ~harmful)
        self.captions = draw_captions()
        self.rng = np.random.default_rng(plan.seed)
        self.python_rng = random.Random(plan.seed)
        self.generator = torch.Generator().manual_seed(plan.seed)

    def compose(self, n_batch: int, side: int) -> PictureBatch:
        """The next batch."""
        chosen = self.rng.choice(len(self.probabilities), n_batch, p=self.probabilities)
        pixels, targets = self._read(chosen), torch.from_numpy(self.pictures.targets[chosen])
        marks = torch.stack([mark_box(box) for box in self.pictures.boxes[chosen]]).unsqueeze(1)
        kinds = torch.from_numpy(self.pictures.kinds[chosen])
        self._paste(pixels, targets, marks, kinds)
        caption_some(pixels, self.captions, self.python_rng)
        known = ~marks.isnan().flatten(1).any(dim=1)
        moved = transform(torch.cat([pixels, marks.nan_to_num()], dim=1), self.generator, side)
        cells = cell_targets(moved[:, 3:], known, targets)
        return PictureBatch(self._distort(moved[:, :3]), targets, cells, kinds)

    def _read(self, chosen: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.asarray(self.pictures.pixels[chosen])).float()

    def _paste(self, pixels: Tensor, targets: Tensor, marks: Tensor, kinds: Tensor) -> None:
        """Paste objects on some rows, with their label; where the harm was unseen before, its place is known now."""
        hosts = torch.tensor([index for index in range(len(pixels)) if self.python_rng.random() < PASTED])
        if not len(hosts) or not all(len(donors) for donors in self.donors):
            return
        donors = np.array([self.rng.choice(self.donors[self.python_rng.randrange(2)]) for _ in hosts])
        scene = pixels[hosts]
        opacity = paste(scene, self._read(donors), self.python_rng)
        pixels[hosts] = scene
        given = torch.from_numpy(self.pictures.targets[donors])
        before = targets[hosts].nan_to_num(1.0)[:, [WEAPONS, FIRE]].sum(dim=1) == 0
        marks[hosts[before]] = opacity[before]
        targets[hosts] = torch.where(given == 1, given, targets[hosts])
        kinds[hosts] = -1

    def _distort(self, pixels: Tensor) -> Tensor:
        coloured = erase_rectangles(blur_some(jitter_colours(pixels, self.generator), self.generator), self.python_rng)
        return compress_some(coloured.clamp(0, 255).to(torch.uint8), self.python_rng)


def mark_box(box: npt.NDArray[np.float32]) -> Tensor:
    """1 inside a box of shares of the image and 0 outside, shape = (160, 160); NaN if nobody knows the box."""
    if np.isnan(box).any():
        return torch.full((IMAGE_SIZE_PX, IMAGE_SIZE_PX), float("nan"))
    marks = torch.zeros(IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    left, top, right, bottom = (round(float(share) * IMAGE_SIZE_PX) for share in box)
    marks[top:bottom, left:right] = 1
    return marks


def cell_targets(marks: Tensor, known: Tensor, targets: Tensor) -> Tensor:
    """What each cell should tell about the labels that are `SEEN`.

    Parameters
    ----------
    marks : Tensor, shape = (B, 1, S, S)
        How much of the harm each pixel is, where that is `known`, shape = (B,).
    targets : Tensor, shape = (B, labels)

    Returns
    -------
    Tensor, shape = (B, len(SEEN), S / 16, S / 16)
    """
    inside = (F.avg_pool2d(marks, CELL_PX) > _INSIDE).float()
    inside = torch.where(known.view(-1, 1, 1, 1), inside, torch.tensor(float("nan")))
    seen = targets[:, [WEAPONS, FIRE]].view(-1, len(SEEN), 1, 1)
    return torch.where(seen == 0, torch.zeros(()), torch.where(seen == 1, inside, torch.tensor(float("nan"))))
