"""Trains the text encoder: both towers at once, from where they were trained apart."""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch
from rich.console import Console
from torch import Tensor

from sluice.features.text import TextExtractor
from sluice_models.config import TextConfig, Training, load_config
from sluice_models.data.bundle import Example, read_texts
from sluice_models.networks.text import TextEncoder, join_tokens
from sluice_models.recipes.text.texts import TextBatch
from sluice_models.training.checkpoint import build_text_encoder
from sluice_models.training.device import best_device
from sluice_models.training.loop import Task, fit
from sluice_models.training.losses import masked_mark_loss
from sluice_models.training.source_offsets import SourceOffsets, find_sources
from sluice_models.training.train_towers import (
    MARK_WEIGHT,
    KnownWordDamping,
    ParameterGroups,
    endless_batches,
    join_towers,
    label_loss,
    positive_weights,
    train_bytes,
    train_language,
    train_words,
)

ALONE_SHARE = 0.15
"""Of the rows, those that each tower has to read without the other: neither is to lean on its neighbour."""
N_SEEN = 40
"""Passes that no run reaches: seeds of the last stage start here, so that it draws rows and noise of its own."""


def train_text(examples: list[Example], config: TextConfig, runs: Path, console: Console) -> TextEncoder:
    """Train both towers together and leave ``text_encoder.pt`` in `runs`; needs ``words.pt`` and ``bytes.pt``."""
    torch.manual_seed(3)
    encoder = build_text_encoder()
    offsets = join_towers(encoder, find_sources(examples), runs).to(best_device())
    weights = positive_weights(examples, config.rows)
    batches = endless_batches(examples, TextExtractor(), config.rows, config.training.n_batch, first_seed=N_SEEN)
    groups = parameter_groups(encoder, config.training)
    task = Task(
        "text_encoder",
        encoder,
        groups,
        batches,
        lambda batch: text_loss(encoder, offsets, batch, weights),
        KnownWordDamping(encoder.words),
    )
    fit(task, config.training, runs, console)
    return encoder


def text_loss(encoder: TextEncoder, offsets: SourceOffsets, batch: TextBatch, weights: Tensor) -> Tensor:
    """Loss, a scalar: labels, some rows by one tower alone, and the annotators' marks on tokens."""
    by_words, scores = encoder.words(batch.input_ids, batch.attention_mask)
    by_bytes = encoder.bytes(batch.byte_ids, batch.byte_mask)
    draw = torch.rand(len(by_words), 1, 1, device=by_words.device)
    tokens = join_tokens(by_words * (draw > ALONE_SHARE), by_bytes * (draw < 1 - ALONE_SHARE))
    logits = offsets(encoder.head(tokens), batch.sources)
    return label_loss(logits, batch, weights) + MARK_WEIGHT * masked_mark_loss(scores, batch.marks)


def parameter_groups(encoder: TextEncoder, training: Training) -> ParameterGroups:
    """Poolings and head may still move; what lies below them hardly."""
    named = [(name, weight) for name, weight in encoder.named_parameters() if weight.requires_grad]
    late = ("words.pooling", "words.marks", "bytes.pooling", "head")
    return [
        {"params": [w for n, w in named if not n.startswith(late)], "lr": training.learning_rate},
        {"params": [w for n, w in named if n.startswith(late)], "lr": training.fresh_learning_rate},
    ]


def train_text_model(
    bundle: Path, runs: Path, console: Console, share: float = 1.0, without: frozenset[str] = frozenset()
) -> TextEncoder:
    """All stages in a row, for a share of the steps and without some sources: what leave-one-out tests need."""
    config = shorten(load_config("text_encoder", TextConfig), share)
    examples = read_texts(bundle, "train", without)
    for stage in (train_words, train_language, train_bytes):
        stage(examples, config, runs, console)
    return train_text(examples, config, runs, console)


def shorten(config: TextConfig, share: float) -> TextConfig:
    """Every stage at a share of its steps."""
    stages = {
        name: msgspec.structs.replace(stage, n_steps=max(1, round(stage.n_steps * share)))
        for name, stage in (
            ("words", config.words),
            ("language", config.language),
            ("bytes", config.bytes),
            ("training", config.training),
        )
    }
    return msgspec.structs.replace(config, **stages)
