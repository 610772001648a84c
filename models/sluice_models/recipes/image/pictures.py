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
from sluice_models.recipes.image.drawings import N_SCENES, draw_pictures, draw_scenes

SEEN = ("weapons", "fire")
"""Labels that the bundle's images have positives for; every other label counts as 0."""
WEAPONS, FIRE = (LABELS.index(label) for label in SEEN)
DRAWN = "drawn"
"""In place of a source, for drawings and drawn scenes."""
N_DRAWN = {"train": 4000, "val": 150}
KINDS = {
    "revolvers": "revolver", "handgun": "pistol", "pistols": "pistol", "machine_pistols": "smg",
    "submachine_guns": "smg", "shotguns": "shotgun", "ak47": "rifle", "bolt-action_rifles": "rifle",
    "lever-action_rifles": "rifle", "semi-automatic_rifles": "rifle", "sniper_rifles": "rifle", "daggers": "knife",
    "bayonets": "knife", "throwing_knives": "knife", "kukri": "knife", "laptops": "laptop",
}  # fmt: skip
"""The same kind of object by the names of different sources."""


@dataclass(frozen=True)
class Pictures:
    """Images of a split, then harmless drawings, then (in training) drawn scenes with a weapon or a fire.

    Attributes
    ----------
    pixels : ndarray of uint8, shape = (n, 3, 160, 160)
        On disk.
    targets : ndarray, shape = (n, labels)
        NaN is not annotated.
    boxes : ndarray, shape = (n, 4)
        Left, top, right, bottom of the harm as shares of the image; NaN where nobody knows.
    kinds : ndarray of int64, shape = (n,)
        The object that is shown, by number; -1 where nobody says or the number of kinds is used up.
    groups : ndarray of str, shape = (n,)
        What `sluice_models.recipes.image.batches` balances: the source, or drawn; and weapons, fire or harmless.
    """

    pixels: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.float32]
    kinds: npt.NDArray[np.int64]
    groups: npt.NDArray[np.str_]


def load_pictures(bundle: Path, split: Split, runs: Path, n_kinds: int = 0) -> Pictures:
    """All images of a split and drawn ones; decoded once into ``runs/pictures-<split>.npy``.

    `read_media` has left out training images that nearly repeat what is measured on.
    """
    examples = read_media(bundle, "images", split)
    pixels, boxes = _read_cache(examples, split, runs)
    targets = np.zeros((len(pixels), len(LABELS)), np.float32)
    targets[: len(examples)] = [picture_targets(example) for example in examples]
    scenes = np.flatnonzero(~np.isnan(boxes[:, 0]))
    targets[scenes[0::2], WEAPONS] = targets[scenes[1::2], FIRE] = 1
    sources = [example.source for example in examples] + [DRAWN] * (len(pixels) - len(examples))
    groups = np.array([f"{source}:{_harm(row)}" for source, row in zip(sources, targets, strict=True)])
    kinds = np.full(len(pixels), -1, np.int64)
    kinds[: len(examples)] = _number_kinds(examples, n_kinds)
    return Pictures(pixels, targets, boxes, kinds, groups)


def _read_cache(
    examples: list[Example], split: Split, runs: Path
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Pixels, on disk, and boxes; made if they are not there or are of other rows."""
    n_scenes = N_SCENES if split == "train" else 0
    n_rows = len(examples) + N_DRAWN[split] + n_scenes
    files = runs / f"pictures-{split}.npy", runs / f"pictures-{split}.boxes.npy"
    if not all(file.is_file() and len(np.load(file, mmap_mode="r")) == n_rows for file in files):
        runs.mkdir(parents=True, exist_ok=True)
        scenes, boxes = draw_scenes(n_scenes)
        np.save(files[0], np.concatenate([_decode(examples, split), _draw(split), scenes]))
        np.save(files[1], np.concatenate([np.full((n_rows - n_scenes, 4), np.nan, np.float32), boxes]))
    return np.load(files[0], mmap_mode="r"), np.load(files[1])


def _draw(split: Split) -> npt.NDArray[np.uint8]:
    return draw_pictures(N_DRAWN[split], seed=1 if split == "train" else 2)


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


def _number_kinds(examples: list[Example], n_kinds: int) -> npt.NDArray[np.int64]:
    names = [str(example.meta.get("cls", "")).lower() for example in examples]
    names = [KINDS.get(name, name) for name in names]
    numbers = {name: index for index, name in enumerate(sorted({name for name in names if name}))}
    found = np.array([numbers.get(name, -1) for name in names], np.int64)
    return np.where(found < n_kinds, found, -1)


def picture_targets(example: Example) -> npt.NDArray[np.float32]:
    """An image's targets, shape = (labels,), with the labels that no image is positive for set to 0."""
    seen = np.isin(LABELS, SEEN)
    return np.where(seen, example.targets, 0.0).astype(np.float32)


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Transform, recolour and degrade a batch of uint8, shape = (B, 3, 160, 160)."""
    moved = transform(pixels.float(), generator, IMAGE_SIZE_PX)
    coloured = blur_some(jitter_colours(moved, generator), generator).clamp(0, 255).to(torch.uint8)
    return compress_some(coloured, random.Random(int(torch.randint(2**31, (1,), generator=generator))))
