"""Trains the adopted tower's layers on what its picture network sees, and puts our own tower beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import Tensor

from sluice_models.config import ImageConfig, Training
from sluice_models.networks.heads import pool_evidence
from sluice_models.networks.image import ImageEncoder, PictureNetwork
from sluice_models.networks.two_towers import PLACES
from sluice_models.recipes.image.batches import PlaneBatch, PlaneRows, plane_batches
from sluice_models.recipes.image.pictures import Pictures, augment, load_pictures
from sluice_models.training.checkpoint import build_image_encoder, checkpoint_file, save
from sluice_models.training.loop import Task, fit
from sluice_models.training.losses import masked_loss
from sluice_models.training.nsfwjs import load_picture_network
from sluice_models.training.own_tower import load_own_tower
from sluice_models.training.platt import fit_calibration

CELL_WEIGHT = 0.5
"""Of the loss of the heatmap pooled, next to the labels'."""
N_CHUNK = 64
"""Pictures that the picture network sees at a time; what is done is noted after each."""
ADOPTED = "adopted_tower"
"""The checkpoint of the adopted tower alone."""
Planes = npt.NDArray[np.float16]


def train_image(bundle: Path, config: ImageConfig, runs: Path, console: Console) -> None:
    """Train and leave ``image_encoder.pt`` in `runs`, which holds ``picture_network.pt`` and ``own_tower.pt``.

    An interrupted run goes on where it was. Training the fusion calibrates the whole.
    """
    torch.manual_seed(0)
    pictures = load_pictures(bundle, "train", runs)
    encoder = build_image_encoder()
    load_picture_network(encoder.adopted.network, runs)
    load_own_tower(encoder.own, runs)
    console.print(f"image: {len(pictures.targets)} rows, {config.n_varieties} times each")
    planes = [see_all(encoder.adopted.network, pictures, number, runs) for number in range(config.n_varieties)]
    rows = PlaneRows(planes, pictures.targets, pictures.groups)
    fit_layers(encoder.adopted, rows, config.training, runs, console)
    calibrate_adopted(encoder.adopted, load_pictures(bundle, "val", runs))
    save(encoder, checkpoint_file(runs, "image_encoder"))


def calibrate_adopted(encoder: ImageEncoder, held_out: Pictures) -> None:
    """Fit the adopted tower's head to validation pictures, as our own was: a mean of logits asks for one measure."""
    starts = range(0, len(held_out.targets), N_CHUNK)
    planes = np.concatenate([see(encoder.network, held_out.pixels[start : start + N_CHUNK], None) for start in starts])
    with torch.inference_mode():
        logits = encoder.head(encoder.tokens(torch.from_numpy(planes).float())).numpy()
    scale, shift = fit_calibration(logits, held_out.targets, np.ones_like(held_out.targets))
    encoder.head.scale.copy_(scale)
    encoder.head.shift.copy_(shift)


def fit_layers(encoder: ImageEncoder, rows: PlaneRows, training: Training, runs: Path, console: Console) -> None:
    """Train all but the picture network and leave ``adopted_tower.pt`` in `runs`."""
    groups = [
        {"params": [*encoder.to_tokens.parameters(), *encoder.cells.parameters()], "lr": training.fresh_learning_rate},
        # Without decay: rows of the head that no picture teaches must stay what they are.
        {"params": list(encoder.head.parameters()), "lr": training.fresh_learning_rate, "weight_decay": 0.0},
    ]
    batches = plane_batches(rows, training.n_batch)
    fit(
        Task(ADOPTED, encoder, groups, batches, lambda batch: image_loss(encoder, batch)),
        training,
        runs,
        console,
    )


def image_loss(encoder: ImageEncoder, batch: PlaneBatch) -> Tensor:
    """Loss of the learned labels, a scalar: of the logits, and of the heatmap's cells pooled.

    Where a picture is positive, some cell has to be; where it is not, none.
    """
    planes = batch.planes.float()
    targets = batch.targets[:, PLACES]
    ones = torch.ones_like(targets)
    logits = encoder.head(encoder.tokens(planes))[:, PLACES]
    pooled = pool_evidence(encoder.cells(planes).flatten(2).transpose(1, 2))
    by_label, by_picture = (masked_loss(found, targets, ones, torch.ones(len(PLACES))) for found in (logits, pooled))
    return by_label + CELL_WEIGHT * by_picture


def see_all(network: PictureNetwork, pictures: Pictures, variety: int, runs: Path) -> Planes:
    """What the picture network sees in every picture, shape = (n, C, 5, 5): as it is (variety 0), or varied.

    Kept in `runs`, with how many rows are done: seeing takes minutes, and an interrupted run goes on there.
    """
    runs.mkdir(parents=True, exist_ok=True)
    file, note = runs / f"planes-{variety}.npy", runs / f"planes-{variety}.done"
    shape = (len(pictures.targets), *see(network, pictures.pixels[:1], None).shape[1:])
    n_done = int(note.read_text("ascii")) if note.is_file() and _shape_of(file) == shape else 0
    planes: Planes = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
        file, "r+" if n_done else "w+", np.float16, shape
    )
    for start in range(n_done, len(planes), N_CHUNK):
        generator = torch.Generator().manual_seed(variety * len(planes) + start) if variety else None
        planes[start : start + N_CHUNK] = see(network, pictures.pixels[start : start + N_CHUNK], generator)
        note.write_text(str(start + N_CHUNK), "ascii")
    return planes


def _shape_of(file: Path) -> tuple[int, ...] | None:
    return np.load(file, mmap_mode="r").shape if file.is_file() else None


def see(network: PictureNetwork, pixels: npt.NDArray[np.uint8], generator: torch.Generator | None) -> Planes:
    """The planes of some pictures, shape = (n, 3, H, W); with a generator, of the pictures varied."""
    shown = torch.from_numpy(np.array(pixels))
    if generator is not None:
        shown = augment(shown, generator)
    with torch.inference_mode():
        seen: Tensor = network(shown)
    return np.asarray(seen.numpy(), np.float16)
