"""Trains the fusion on composed posts, out of cached encoder outputs, and calibrates it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from engine.errors import SettingsError
from models import checkpoint
from models.checkpoint import ENCODERS, build_fusion
from models.config import TextConfig, Training, load_config
from models.encode import Encoded, Float32, encode_split
from models.encoders import Encoder
from models.fusion import Fusion, start_from_encoders
from models.losses import masked_loss
from models.platt import fit_calibration
from models.posts import PostBatch, compose_posts, single_parts
from models.training import Task, fit

SEVERITY_WEIGHT = 0.5


def train_fusion(bundle: Path, training: Training, runs: Path, console: Console) -> None:
    """Train and leave ``fusion.pt`` in `runs`; also writes the encoders' calibration into their checkpoints."""
    torch.manual_seed(0)
    encoders = load_encoders(runs)
    texts = load_config("text_encoder", TextConfig).training
    console.print("fusion: encoding the validation split")
    held_out = encode_split(encoders, bundle, "val", texts, runs)
    calibrate_encoders(encoders, held_out, runs)
    console.print("fusion: encoding the training split")
    parts = encode_split(encoders, bundle, "train", texts, runs)
    fusion = build_fusion()
    start_from_encoders(fusion, encoders)
    fit(fusion_task(fusion, parts, training), training, runs, console)
    calibrate_fusion(fusion, held_out)
    checkpoint.save(fusion, checkpoint.checkpoint_file(runs, "fusion"))


def load_encoders(runs: Path) -> list[Encoder]:
    """The trained encoders, in the order of the fusion's kinds; raises `SettingsError` if one is missing."""
    models = [checkpoint.load(name, runs) for name in ENCODERS]
    encoders = [model for model in models if not isinstance(model, Fusion)]
    if len(encoders) != len(ENCODERS):
        raise SettingsError(f"{runs} does not hold the three encoders")
    return encoders


def fusion_task(fusion: Fusion, parts: list[Encoded], training: Training) -> Task[PostBatch]:
    """Evidence heads, which start as the encoders', learn slower than the rest."""
    named = list(fusion.named_parameters())
    started = [weight for name, weight in named if name.startswith("evidence")]
    fresh = [weight for name, weight in named if not name.startswith("evidence")]
    groups = [
        {"params": started, "lr": training.learning_rate},
        {"params": fresh, "lr": training.fresh_learning_rate},
    ]
    batches = compose_posts(parts, training.n_batch)
    return Task("fusion", fusion, groups, batches, lambda batch: fusion_loss(fusion, batch))


def fusion_loss(fusion: Fusion, batch: PostBatch) -> Tensor:
    """Labels, and severity where it is known."""
    logits, severity = fusion(batch.tokens, batch.mask, batch.kind)
    labels = masked_loss(logits, batch.targets, batch.weights, torch.ones(logits.shape[1]))
    known = ~torch.isnan(batch.severity)
    errors = (severity.float() - torch.nan_to_num(batch.severity)) ** 2 * known
    total: Tensor = labels + SEVERITY_WEIGHT * errors.sum() / len(logits)
    return total


def calibrate_encoders(encoders: list[Encoder], held_out: list[Encoded], runs: Path) -> None:
    """Fit each encoder's head to the validation split, fold it in, and keep it; fitting twice changes nothing."""
    for name, encoder, part in zip(ENCODERS, encoders, held_out, strict=True):
        scale, shift = fit_calibration(part.logits, part.targets, part.weights)
        encoder.head.shift.mul_(scale).add_(shift)
        encoder.head.scale.mul_(scale)
        checkpoint.save(encoder, checkpoint.checkpoint_file(runs, name))


def calibrate_fusion(fusion: Fusion, held_out: list[Encoded]) -> None:
    """Fit the fusion's last step to posts of one part each, all modalities together."""
    logits = np.concatenate([score_parts(fusion, part, modality)[0] for modality, part in enumerate(held_out)])
    targets = np.concatenate([part.targets for part in held_out])
    weights = np.concatenate([part.weights for part in held_out])
    scale, shift = fit_calibration(logits, targets, weights)
    fusion.shift.mul_(scale).add_(shift)
    fusion.scale.mul_(scale)


def score_parts(fusion: Fusion, part: Encoded, modality: int) -> tuple[Float32, Float32]:
    """Logits and severity of every row as a post of its own, shape = (n, labels) each."""
    parts = single_parts(part, modality)
    with torch.inference_mode():
        chunks = [fusion(*chunk) for chunk in zip(*(torch.split(part, 512) for part in parts), strict=True)]
    return torch.cat([logits for logits, _ in chunks]).numpy(), torch.cat([s for _, s in chunks]).numpy()
