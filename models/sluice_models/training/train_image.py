"""Trains the image encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice_models.config import ImageConfig, Training
from sluice_models.networks.heads import pool_evidence
from sluice_models.networks.image import ImageEncoder
from sluice_models.recipes.image.batches import FIRST_STAGE, LAST_STAGE, PictureBatch, SamplingPlan, picture_batches
from sluice_models.recipes.image.pictures import FIRE, WEAPONS, Pictures, load_pictures
from sluice_models.training.checkpoint import build_image_encoder, checkpoint_file, load_state
from sluice_models.training.loop import Task, fit, single_parameter_group
from sluice_models.training.losses import masked_loss, weigh_positives

POOLED_WEIGHT, CELL_WEIGHT, KIND_WEIGHT = 0.5, 0.5, 0.4
"""Of the losses of the heatmap pooled, of its cells, and of the kinds, next to the labels'."""
START = "image_start"
"""The first stage's checkpoint."""
SMOOTHING = 0.1
"""Of the kinds: some are nearly the same."""


def train_image(bundle: Path, config: ImageConfig, runs: Path, console: Console) -> None:
    """Train in two stages and leave ``image_encoder.pt`` in `runs`; a first stage that is there is not run again."""
    torch.manual_seed(0)
    pictures = load_pictures(bundle, "train", runs, config.network.n_kinds)
    console.print(f"image: {len(pictures.targets)} rows")
    encoder = build_image_encoder()
    encoder.to(memory_format=torch.channels_last)
    if not checkpoint_file(runs, START).is_file():
        _fit_stage(START, encoder, pictures, config.training, FIRST_STAGE, runs, console)
    load_state(encoder, START, runs)
    torch.manual_seed(1)
    _fit_stage("image_encoder", encoder, pictures, config.finish, LAST_STAGE, runs, console)


def _fit_stage(
    name: str,
    encoder: ImageEncoder,
    pictures: Pictures,
    training: Training,
    plan: SamplingPlan,
    runs: Path,
    console: Console,
) -> None:
    weights = weigh_positives(pictures.targets, training.max_positive_weight)
    batches = picture_batches(pictures, training.n_batch, training.n_steps, plan)
    task = Task(
        name,
        encoder,
        single_parameter_group(encoder, training),
        batches,
        lambda batch: image_loss(encoder, batch, weights),
    )
    fit(task, training, runs, console)


def image_loss(encoder: ImageEncoder, batch: PictureBatch, positive_weights: Tensor) -> Tensor:
    """Loss, a scalar: labels; the heatmap, pooled and by cell; and the kind of object.

    The kind teaches more per picture than the labels.

    Where a picture is positive, some cell has to be; where the harm's place is known, just the cells there.
    """
    planes = encoder.extract_features(batch.pixels.contiguous(memory_format=torch.channels_last))
    cells = encoder.cells(planes).float()
    ones = torch.ones_like(batch.targets)
    by_label = masked_loss(encoder.head(encoder.tokens(planes)), batch.targets, ones, positive_weights)
    pooled = pool_evidence(cells.flatten(2).transpose(1, 2))
    by_picture = masked_loss(pooled, batch.targets, ones, positive_weights)
    by_cell = cell_loss(cells[:, [WEAPONS, FIRE]], batch.cells)
    kinds = F.cross_entropy(
        encoder.kinds(planes.mean(dim=(2, 3))).float(), batch.kinds, ignore_index=-1, label_smoothing=SMOOTHING
    )
    return by_label + POOLED_WEIGHT * by_picture + CELL_WEIGHT * by_cell + KIND_WEIGHT * kinds.nan_to_num()


def cell_loss(cells: Tensor, wanted: Tensor) -> Tensor:
    """Binary cross-entropy of cells, shape = (B, 2, h, w), where they are known; both kinds weigh the same."""
    losses = F.binary_cross_entropy_with_logits(cells, wanted.nan_to_num(), reduction="none")
    inside, outside = wanted == 1, wanted == 0
    return _mean(losses, inside) + _mean(losses, outside)


def _mean(losses: Tensor, chosen: Tensor) -> Tensor:
    return (losses * chosen).sum() / chosen.sum().clamp(min=1)
