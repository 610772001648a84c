"""Trains the text encoder on the stream of texts: labels, evidence, and twins that should score alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from sluice_models.config import ModelName, TextConfig, TextRecipe, Training, load_config
from sluice_models.data.bundle import Example, read_texts
from sluice_models.networks.heads import pool_evidence
from sluice_models.networks.text import N_HARMS, TextEncoder
from sluice_models.recipes.text.reading import Reader, TextBatch, TextExample, collate, make_batches
from sluice_models.recipes.text.stream import Mixer
from sluice_models.training.checkpoint import build_text_encoder, checkpoint_file, save
from sluice_models.training.loop import Task, fit
from sluice_models.training.losses import masked_loss, masked_mark_loss, weigh_positives
from sluice_models.training.source_offsets import SourceOffsets, find_sources
from sluice_models.training.start import start_from_e5

FOUND_WEIGHT, MARK_WEIGHT, TWIN_WEIGHT = 0.25, 0.4, 1.0
"""Beside the loss of the labels: that of the labels as their evidence alone gives them, of the evidence, of twins."""
MIN_CERTAIN = 0.5
"""Targets of less weight do not count for how rare a label is."""
LOGIT_SHARE = 0.02
"""Of the squared difference of logits in the loss of twins, beside that of probabilities."""
OFFSET_RATE = 3.0
"""Learning rate of the sources' offsets, as a multiple of that of fresh weights."""
NAME: ModelName = "text_encoder"
ParameterGroups = list[dict[str, Any]]


class TextClassifier(nn.Module):
    """The encoder, and the offsets of the sources that are dropped after training."""

    def __init__(self, encoder: TextEncoder, sources: Sequence[str]) -> None:
        super().__init__()
        self.encoder = encoder
        self.offsets = SourceOffsets(sources)


def train_text(examples: list[Example], config: TextConfig, runs: Path, console: Console) -> TextEncoder:
    """Train from multilingual-e5-small and leave ``text_encoder.pt`` in `runs`."""
    torch.manual_seed(5)
    encoder = build_text_encoder()
    start_from_e5(encoder.backbone)
    model = TextClassifier(encoder, find_sources(examples))
    mixer, reader = Mixer(examples, config.rows), Reader(config.rows)
    weights = positive_weights(reader.read(mixer.chunk(0), 0), config.rows.max_positive_weight)
    task = Task(
        NAME,
        model,
        parameter_groups(model, config.training),
        text_batches(mixer, reader, config.rows),
        lambda batch: text_loss(model, batch, weights),
    )
    fit(task, config.training, runs, console)
    save(encoder, checkpoint_file(runs, NAME))  # without the offsets
    return encoder


def text_batches(mixer: Mixer, reader: Reader, recipe: TextRecipe) -> Iterator[TextBatch]:
    """Endless: chunk after chunk."""
    for number in count():
        yield from map(collate, make_batches(reader.read(mixer.chunk(number), number), recipe, number))


def positive_weights(rows: Sequence[TextExample], limit: float) -> Tensor:
    """How much a label's positives count, shape = (labels,), by how rare they are among these rows."""
    certain = (np.where(row.weights >= MIN_CERTAIN, row.targets, np.nan) for row in rows)
    return weigh_positives(np.stack(list(certain)).astype(np.float32), limit)


def text_loss(model: TextClassifier, batch: TextBatch, weights: Tensor) -> Tensor:
    """Loss, a scalar: of the labels, of the labels by evidence alone, of the evidence, and of twins."""
    _, logits, marks = model.encoder.read(batch.input_ids, batch.attention_mask)
    found = pool_evidence(marks.float(), batch.attention_mask.float())
    found = torch.cat([found, logits[:, N_HARMS:].detach().float()], dim=1)
    labels, by_evidence = (
        masked_loss(model.offsets(each, batch.sources), batch.targets, batch.weights, weights)
        for each in (logits, found)
    )
    evidence = masked_mark_loss(marks, batch.marks)
    return labels + FOUND_WEIGHT * by_evidence + MARK_WEIGHT * evidence + TWIN_WEIGHT * twin_loss(logits, batch.twins)


def twin_loss(logits: Tensor, twins: Tensor) -> Tensor:
    """How unlike the scores of one sentence with two identities are, summed over harms, averaged over pairs.

    Parameters
    ----------
    logits : Tensor, shape = (B, labels)
    twins : Tensor of int64, shape = (pairs, 2)
        Places in the batch; there may be none.
    """
    if not len(twins):
        return logits.new_zeros(())
    first, second = (logits[twins[:, side], :N_HARMS].float() for side in (0, 1))
    apart = (torch.sigmoid(first) - torch.sigmoid(second)) ** 2 + LOGIT_SHARE * (first - second) ** 2
    return apart.sum() / len(twins)


def parameter_groups(model: TextClassifier, training: Training) -> ParameterGroups:
    """What e5 has learned moves slowly, its embedding without decay; heads fast; the sources' offsets faster."""
    named = [(name, weight) for name, weight in model.encoder.named_parameters() if weight.requires_grad]
    words = model.encoder.backbone.words.weight
    slow = [weight for name, weight in named if name.startswith("backbone") and weight is not words]
    fresh = [weight for name, weight in named if not name.startswith("backbone")]
    return [
        {"params": slow, "lr": training.learning_rate},
        {"params": [words], "lr": training.learning_rate, "weight_decay": 0.0},
        {"params": fresh, "lr": training.fresh_learning_rate},
        {
            "params": list(model.offsets.parameters()),
            "lr": training.fresh_learning_rate * OFFSET_RATE,
            "weight_decay": 0.0,
        },
    ]


def train_text_model(
    bundle: Path, runs: Path, console: Console, share: float = 1.0, without: frozenset[str] = frozenset()
) -> TextEncoder:
    """Train for a share of the steps and without some sources: what leave-one-out tests need."""
    config = shorten(load_config(NAME, TextConfig), share)
    return train_text(read_texts(bundle, "train", without), config, runs, console)


def shorten(config: TextConfig, share: float) -> TextConfig:
    """A share of the steps."""
    training = msgspec.structs.replace(config.training, n_steps=max(1, round(config.training.n_steps * share)))
    return msgspec.structs.replace(config, training=training)
