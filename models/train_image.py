"""Trains the image encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from models.checkpoint import build_image_encoder, load_weights
from models.config import Training
from models.encoders import ImageEncoder, pool_evidence
from models.losses import masked_loss, weigh_positives
from models.picture_rows import load_pictures, picture_batches
from models.training import Task, fit, one_group

MAP_WEIGHT = 0.5
"""Of the loss of the heatmap, next to the labels'."""


def train_image(bundle: Path, training: Training, runs: Path, console: Console, further: bool = False) -> None:
    """Train and leave ``image_encoder.pt`` in `runs`; `further` goes on from the one that is there."""
    torch.manual_seed(0)
    pictures = load_pictures(bundle, "train", runs)
    console.print(f"image: {len(pictures.targets)} rows")
    encoder = build_image_encoder()
    if further:
        load_weights(encoder, "image_encoder", runs)
    weights = weigh_positives(pictures.targets, training.max_positive_weight)
    batches = picture_batches(pictures, training.n_batch)
    groups = one_group(encoder, training)
    task = Task("image_encoder", encoder, groups, batches, lambda batch: image_loss(encoder, *batch, weights))
    fit(task, training, runs, console)


def image_loss(encoder: ImageEncoder, pixels: Tensor, targets: Tensor, positive_weights: Tensor) -> Tensor:
    """Labels, and the heatmap pooled to labels: where a picture is positive, some cell has to be."""
    _, logits, heatmap = encoder(pixels)
    ones = torch.ones_like(targets)
    cells = torch.logit(heatmap.float().flatten(2).transpose(1, 2), eps=1e-5)
    by_cell = masked_loss(pool_evidence(cells), targets, ones, positive_weights)
    return masked_loss(logits, targets, ones, positive_weights) + MAP_WEIGHT * by_cell
