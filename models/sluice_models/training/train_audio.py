"""Trains the audio encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from sluice_models.config import Training
from sluice_models.networks.audio import AudioEncoder
from sluice_models.recipes.audio.clips import Clip, read_clips
from sluice_models.recipes.audio.windows import SHARES, Shares, compose_sounds, sound_batches
from sluice_models.training.checkpoint import build_audio_encoder
from sluice_models.training.loop import Task, fit, single_parameter_group
from sluice_models.training.losses import masked_loss, masked_score_loss, weigh_positives

MAP_WEIGHT = 0.5
"""Of the loss of the frame scores, next to the labels'."""
N_SOUNDS = 5_000


def train_audio(bundle: Path, training: Training, runs: Path, console: Console) -> None:
    """Train on the bundle's clips and leave ``audio_encoder.pt`` in `runs`."""
    train_on(read_clips(bundle, "train"), SHARES, N_SOUNDS, training, runs, console)


def train_on(
    clips: list[Clip], shares: Shares, n_sounds: int, training: Training, runs: Path, console: Console
) -> AudioEncoder:
    """Train on so many windows composed from `clips`; the encoder, in evaluation mode, is also left in `runs`."""
    torch.manual_seed(0)
    console.print(f"audio: composing {n_sounds} windows")
    sounds = compose_sounds(clips, n_sounds, seed=0, shares=shares)
    encoder = build_audio_encoder()
    weights = weigh_positives(sounds.targets, training.max_positive_weight)
    batches = sound_batches(sounds, training.n_batch)
    groups = single_parameter_group(encoder, training)
    task = Task("audio_encoder", encoder, groups, batches, lambda batch: audio_loss(encoder, *batch, weights))
    fit(task, training, runs, console)
    return encoder


def audio_loss(
    encoder: AudioEncoder, log_mels: Tensor, targets: Tensor, frames: Tensor, positive_weights: Tensor
) -> Tensor:
    """Loss, a scalar, over labels and over the frames in which an event is loud; shapes as of `sound_batches`."""
    _, logits, scores = encoder(log_mels)
    labels = masked_loss(logits, targets, torch.ones_like(targets), positive_weights)
    return labels + MAP_WEIGHT * len(positive_weights) * masked_score_loss(scores, frames)
