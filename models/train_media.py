"""Trains the image and the audio encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor, nn

from models.checkpoint import build_audio_encoder, build_image_encoder, load_weights
from models.config import Training
from models.encoders import AudioEncoder, ImageEncoder, pool_evidence
from models.losses import masked_loss, masked_mark_loss, weigh_positives
from models.picture_rows import load_pictures, picture_batches
from models.sound_rows import compose_sounds, read_clips, sound_batches
from models.training import Task, fit

MAP_WEIGHT = 0.5
"""Of the loss of the evidence maps, next to the labels'."""
N_SOUNDS = 6_000


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
    groups = parameter_groups(encoder, training)
    task = Task("image_encoder", encoder, groups, batches, lambda batch: image_loss(encoder, *batch, weights))
    fit(task, training, runs, console)


def image_loss(encoder: ImageEncoder, pixels: Tensor, targets: Tensor, positive_weights: Tensor) -> Tensor:
    """Labels, and the heatmap pooled to labels: where a picture is positive, some cell has to be."""
    _, logits, heatmap = encoder(pixels)
    ones = torch.ones_like(targets)
    cells = torch.logit(heatmap.float().flatten(2).transpose(1, 2), eps=1e-5)
    by_cell = masked_loss(pool_evidence(cells), targets, ones, positive_weights)
    return masked_loss(logits, targets, ones, positive_weights) + MAP_WEIGHT * by_cell


def train_audio(bundle: Path, training: Training, runs: Path, console: Console, further: bool = False) -> None:
    """Train and leave ``audio_encoder.pt`` in `runs`; `further` goes on from the one that is there."""
    torch.manual_seed(0)
    console.print(f"audio: composing {N_SOUNDS} windows")
    sounds = compose_sounds(read_clips(bundle, "train"), N_SOUNDS, seed=0)
    encoder = build_audio_encoder()
    if further:
        load_weights(encoder, "audio_encoder", runs)
    weights = weigh_positives(sounds.targets, training.max_positive_weight)
    batches = sound_batches(sounds, training.n_batch)
    groups = parameter_groups(encoder, training)
    task = Task("audio_encoder", encoder, groups, batches, lambda batch: audio_loss(encoder, *batch, weights))
    fit(task, training, runs, console)


def audio_loss(
    encoder: AudioEncoder, log_mels: Tensor, targets: Tensor, frames: Tensor, positive_weights: Tensor
) -> Tensor:
    """Labels, and the frames in which an event is loud."""
    _, logits, scores = encoder(log_mels)
    labels = masked_loss(logits, targets, torch.ones_like(targets), positive_weights)
    return labels + MAP_WEIGHT * len(positive_weights) * masked_mark_loss(scores, frames)


def parameter_groups(model: nn.Module, training: Training) -> list[dict[str, object]]:
    """One group: these networks start from nothing."""
    return [{"params": list(model.parameters()), "lr": training.fresh_learning_rate}]
