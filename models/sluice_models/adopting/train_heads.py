"""Trains heads on an adopted encoder, calibrates them, and trains a fusion on what the encoders now say."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
import yaml
from rich.console import Console
from torch import Tensor, nn

from sluice.features import TEXT_WINDOW_TOKENS
from sluice.features.text import TextExtractor
from sluice.schema import LABELS
from sluice_models.adopting.encoders import AdoptedImage, AdoptedText, AdoptError
from sluice_models.adopting.labelled import AdoptionData
from sluice_models.config import Training
from sluice_models.measure.scores import measure_auprc
from sluice_models.networks.fusion import TOGETHER, Fusion, start_from_encoders
from sluice_models.networks.heads import LabelHead, pool_evidence
from sluice_models.recipes.fusion.encoded import Encoded
from sluice_models.recipes.fusion.pairs import CUES
from sluice_models.recipes.fusion.posts import PostBatch, compose_posts, keep_several
from sluice_models.recipes.image.pictures import augment
from sluice_models.recipes.text.reading import Reader, TextBatch, collate, make_batches
from sluice_models.training.bundle_encoding import encode_pairs
from sluice_models.training.checkpoint import build_fusion
from sluice_models.training.device import best_device
from sluice_models.training.loop import Task, fit, single_parameter_group
from sluice_models.training.losses import masked_loss, masked_mark_loss, weigh_positives
from sluice_models.training.platt import fit_calibration
from sluice_models.training.text_encoding import EncoderFunction
from sluice_models.training.train_fusion import (
    N_CALIBRATION_PAIRS,
    N_CALIBRATION_POSTS,
    calibrate_fusion,
    fusion_loss,
    fusion_task,
    score_posts,
)

MARK_WEIGHT, MAP_WEIGHT = 0.5, 0.5
"""Of the losses of the evidence, next to the labels'."""
MIN_ROWS = 10
"""Of either kind, for a label's figure to be reported."""
Batches = Iterator[Any]
Loss = Callable[[Any], Tensor]


class AdoptConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`adopt.yaml`: a training for each kind of heads and for the fusion; how many texts make a chunk, and pairs."""

    text: Training
    image: Training
    head: Training
    fusion: Training
    n_texts: int
    n_pairs: int


@dataclass(frozen=True)
class TrainingContext:
    """What every training needs; `work` is where its state and its weights are kept."""

    tokenizer: Path
    data: AdoptionData
    work: Path
    console: Console

    @cached_property
    def extractor(self) -> TextExtractor:
        """What spells texts for the text encoder that will serve."""
        return TextExtractor(self.tokenizer)

    def train(self, name: str, model: nn.Module, batches: Batches, loss: Loss, training: Training) -> None:
        """All weights of a model, from nothing."""
        fit(
            Task(name, model, single_parameter_group(model, training), batches, loss), training, self.work, self.console
        )

    def train_heads(
        self, name: str, adopted: AdoptedText | AdoptedImage, batches: Batches, loss: Loss, training: Training
    ) -> None:
        """The heads on an encoder that stays as it is, and goes where they are trained."""
        adopted.to(best_device())
        self.train(name, adopted.heads, batches, loss, training)
        adopted.cpu()


def load_adopt_config(file: Path) -> AdoptConfig:
    """Read a file of hyper-parameters; raises `AdoptError` naming the mistake."""
    try:
        return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), AdoptConfig)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise AdoptError(f"{file}: {error}") from error


def train_text_heads(adopted: AdoptedText, context: TrainingContext, training: Training) -> None:
    """Labels, and the annotators' marks where there are any."""
    recipe = msgspec.structs.replace(context.data.recipe, max_long_pieces=TEXT_WINDOW_TOKENS)  # others read no more
    reader = Reader(recipe, context.tokenizer)
    first = reader.read(context.data.training_texts(0), 0)
    weights = weigh_positives(np.stack([row.targets for row in first]), training.max_positive_weight)

    def loss(batch: TextBatch) -> Tensor:
        with torch.no_grad():
            hidden = adopted.read(batch.input_ids, batch.attention_mask)
        _, logits, marks = adopted.heads.read(hidden, batch.attention_mask)
        labels = masked_loss(logits, batch.targets, batch.weights, weights)
        return labels + MARK_WEIGHT * masked_mark_loss(marks, batch.marks)

    context.train_heads("text_heads", adopted, _text_batches(context, reader, training.n_batch), loss, training)


def _text_batches(context: TrainingContext, reader: Reader, n_batch: int) -> Iterator[TextBatch]:
    recipe = msgspec.structs.replace(context.data.recipe, batch_rows=n_batch)
    for number in count():
        rows = reader.read(context.data.training_texts(number), number)
        yield from map(collate, make_batches(rows, recipe, number))


def train_image_heads(adopted: AdoptedImage, context: TrainingContext, training: Training) -> None:
    """Labels, and the heatmap pooled to labels: where a picture is positive, some cell has to be."""
    pixels, targets = context.data.pictures("train")
    weights = weigh_positives(targets, training.max_positive_weight)

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        with torch.no_grad():
            hidden = adopted.extract_features(batch[0])
        _, logits, heatmap = adopted.heads(hidden)
        cells = torch.logit(heatmap.float().flatten(2).transpose(1, 2), eps=1e-5)
        by_label, by_cell = (
            masked_loss(each, batch[1], torch.ones_like(batch[1]), weights) for each in (logits, pool_evidence(cells))
        )
        return by_label + MAP_WEIGHT * by_cell

    batches = _picture_batches(pixels, targets, training.n_batch)
    context.train_heads("image_heads", adopted, batches, loss, training)


def _picture_batches(pixels: Any, targets: Any, n_batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    while True:
        for rows in np.array_split(rng.permutation(len(targets)), -(-len(targets) // n_batch)):
            yield augment(torch.from_numpy(np.array(pixels[rows])), generator), torch.from_numpy(targets[rows])


def train_head(head: LabelHead, part: Encoded, context: TrainingContext, training: Training) -> None:
    """A head alone, on an encoder's tokens."""
    weights = weigh_positives(part.targets, training.max_positive_weight)

    def loss(batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        return masked_loss(head(batch[0].float()), *batch[1:], weights)  # tokens are kept in half precision

    context.train("head", head, _token_batches(part, training.n_batch), loss, training)


def _token_batches(part: Encoded, n_batch: int) -> Iterator[tuple[Tensor, ...]]:
    rng = np.random.default_rng(0)
    while True:
        rows = rng.integers(len(part.targets), size=n_batch)
        yield tuple(torch.from_numpy(array[rows]) for array in (part.tokens, part.targets, part.weights))


def calibrate_head(head: LabelHead, held_out: Encoded) -> None:
    """Make the logits probabilities, on rows that were not trained on."""
    scale, shift = fit_calibration(held_out.logits, held_out.targets, held_out.weights)
    head.shift.mul_(scale).add_(shift)
    head.scale.mul_(scale)


def measure(held_out: Encoded) -> dict[str, float]:
    """AUPRC of each label that has `MIN_ROWS` rows of both kinds among those not trained on."""
    figures = {}
    for index, label in enumerate(LABELS):
        known = ~np.isnan(held_out.targets[:, index]) & (held_out.weights[:, index] == 1)
        positive = held_out.targets[known, index] == 1
        if min(positive.sum(), (~positive).sum()) >= MIN_ROWS:
            figures[label] = round(measure_auprc(held_out.logits[known, index], positive), 3)
    return figures


def train_new_fusion(
    heads: Sequence[LabelHead],
    parts: list[Encoded],
    held_out: list[Encoded],
    context: TrainingContext,
    text_encoder: EncoderFunction,
    config: AdoptConfig,
) -> Fusion:
    """A fusion on the encoders' heads.

    Where the rows have cues that turn sentences, it also learns from posts whose meaning needs two parts.

    Parameters
    ----------
    heads : sequence of LabelHead
        The encoders', in the order of the fusion's kinds.
    text_encoder : callable
        The text encoder.
    """
    torch.manual_seed(0)
    fusion = build_fusion()
    start_from_encoders(fusion, heads)
    if has_cues(parts) and has_cues(held_out):
        turned = functools.partial(encode_pairs, text_encoder, context.data.recipe, extractor=context.extractor)
        task = fusion_task(fusion, parts, turned(config.n_pairs, held_out=False), config.fusion)
        fit(task, config.fusion, context.work, context.console)
        calibrate_fusion(fusion, held_out, turned(N_CALIBRATION_PAIRS, held_out=True))
        return fusion.eval()
    groups = [{"params": [w for w in fusion.parameters() if w.requires_grad], "lr": config.fusion.fresh_learning_rate}]
    posts = compose_posts(parts, config.fusion.n_batch)
    task = Task("fusion", fusion, groups, posts, lambda batch: fusion_loss(fusion, batch))
    fit(task, config.fusion, context.work, context.console)
    _calibrate_together(fusion, keep_several(next(compose_posts(held_out, N_CALIBRATION_POSTS))))
    return fusion.eval()


def has_cues(parts: Sequence[Encoded]) -> bool:
    """Whether there are pictures and clips that turn sentences, and such that do not."""
    cues = [LABELS.index(cue) for cue in CUES]
    turning = all((parts[kind].targets[:, LABELS.index(cue)] == 1).any() for cue, kind in CUES.items())
    return turning and all((parts[kind].targets[:, cues] == 0).all(axis=1).any() for kind in set(CUES.values()))


def _calibrate_together(fusion: Fusion, posts: PostBatch) -> None:
    scale, shift = fit_calibration(score_posts(fusion, posts), posts.targets.numpy(), posts.weights.numpy())
    fusion.shift[TOGETHER] = fusion.shift[TOGETHER] * scale + shift
    fusion.scale[TOGETHER] *= scale
