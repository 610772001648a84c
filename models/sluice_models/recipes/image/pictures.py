"""Images for training: decoded once as in serving, with what is known about each."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from sluice.features import IMAGE_SIZE_PX
from sluice.features.image import extract_image, image_rows
from sluice.schema import LABELS
from sluice_models.data.bundle import Example, Split, read_media
from sluice_models.recipes.image.augmentation import blur_some, compress_some, jitter_colours, transform
from sluice_models.recipes.image.pages import draw_pages

SEEN = ("weapons", "fire")
"""Labels that the bundle's images have positives for; every other label counts as 0."""
WEAPONS, FIRE = (LABELS.index(label) for label in SEEN)
DRAWN = "drawn"
"""In place of a source, for drawn pages."""
N_DRAWN = {"train": 1000, "val": 150}


@dataclass(frozen=True)
class Pictures:
    """Images of a split, then harmless drawn pages.

    Attributes
    ----------
    pixels : ndarray of uint8, shape = (n, 3, 160, 160)
        On disk.
    targets : ndarray, shape = (n, labels)
        NaN is not annotated.
    groups : ndarray of str, shape = (n,)
        What `sluice_models.recipes.image.batches` balances: the source, or drawn; and weapons, fire or harmless.
    """

    pixels: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.float32]
    groups: npt.NDArray[np.str_]


def load_pictures(bundle: Path, split: Split, runs: Path) -> Pictures:
    """All images of a split and drawn pages; decoded once into ``runs/pictures-<split>.npy``.

    `read_media` has left out training images that nearly repeat what is measured on.
    """
    examples = read_media(bundle, "images", split)
    pixels = _read_cache(examples, split, runs)
    targets = np.zeros((len(pixels), len(LABELS)), np.float32)
    targets[: len(examples)] = [picture_targets(example) for example in examples]
    sources = [example.source for example in examples] + [DRAWN] * (len(pixels) - len(examples))
    groups = np.array([f"{source}:{_harm(row)}" for source, row in zip(sources, targets, strict=True)])
    return Pictures(pixels, targets, groups)


def _read_cache(examples: list[Example], split: Split, runs: Path) -> npt.NDArray[np.uint8]:
    """Pixels, on disk; made if they are not there or are of other rows."""
    file, n_rows = runs / f"pictures-{split}.npy", len(examples) + N_DRAWN[split]
    if not file.is_file() or len(np.load(file, mmap_mode="r")) != n_rows:
        runs.mkdir(parents=True, exist_ok=True)
        pages = draw_pages(N_DRAWN[split], seed=1 if split == "train" else 2)
        np.save(file, np.concatenate([_decode(examples, split), pages]))
    pixels: npt.NDArray[np.uint8] = np.load(file, mmap_mode="r")
    return pixels


def _decode(examples: list[Example], split: Split) -> npt.NDArray[np.uint8]:
    """The first view of each image as in serving; long images that show a harm are squashed for training instead.

    Which view of a long image shows the harm is not known, and a view without it must not be taken for one.
    """
    return np.stack(
        [_read_view(example.media, split == "train" and _is_harmful(example)) for example in examples if example.media]
    )


def _is_harmful(example: Example) -> bool:
    return bool((example.targets == 1).any())


def _read_view(file: Path, whole: bool) -> npt.NDArray[np.uint8]:
    rows = extract_image(file.read_bytes()).rows
    if len(rows) == 1 or not whole:
        return rows[0].pixels
    with Image.open(file) as image:
        square = image.convert("RGB").resize((IMAGE_SIZE_PX, IMAGE_SIZE_PX), Image.Resampling.BILINEAR)
    return image_rows(square)[0].pixels


def _harm(targets: npt.NDArray[np.float32]) -> str:
    return "weapons" if targets[WEAPONS] == 1 else "fire" if targets[FIRE] == 1 else "harmless"


def picture_targets(example: Example) -> npt.NDArray[np.float32]:
    """An image's targets, shape = (labels,), with the labels that no image is positive for set to 0."""
    seen = np.isin(LABELS, SEEN)
    return np.where(seen, example.targets, 0.0).astype(np.float32)


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Transform, recolour and degrade a batch of uint8, shape = (B, 3, 160, 160)."""
    moved = transform(pixels.float(), generator, IMAGE_SIZE_PX)
    coloured = blur_some(jitter_colours(moved, generator), generator).clamp(0, 255).to(torch.uint8)
    return compress_some(coloured, random.Random(int(torch.randint(2**31, (1,), generator=generator))))
