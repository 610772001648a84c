"""Trains the first stage to say what the served models say of a text: their logits, and the largest margin.

The margin is how far a logit is above that from which a policy asks for a review. What counts afterwards is the lowest
suspicion of a positive that the other models find, so these weigh more.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice_models.config import FirstStageConfig, FirstStageName
from sluice_models.networks.first_stage import FirstStage
from sluice_models.recipes.text.reading import pad
from sluice_models.recipes.text.taught import Float32, Taught
from sluice_models.training.loop import Task, fit
from sluice_models.training.onnx_encoder import EncoderFileError, read_constants

NAME: FirstStageName = "first_stage"
WORDS = "backbone.words.weight"
"""In the exported text encoder."""
MARGINS, LOGITS = (-6.0, 4.0), 7.0
"""How far margins and logits are told apart: what lies beyond is as plain."""
SHARPNESS, NEAR = 2.0, 1.0
"""A text is suspicious to the sigmoid of its margin times the first. The second is added to what is learned, so that
what nearly reaches a threshold is told from what is far below."""
FOUND_WEIGHT, FLAGGED_WEIGHT = 12.0, 4.0
"""Of positives that the other models find, and of other texts that they flag; 1 for the rest."""
MARGIN_WEIGHT = 0.5
"""Of the distance from the margin, beside that of the logits and that of being suspicious."""
LENGTH_NOISE = 6.0
"""Word pieces by which texts of one batch differ, besides where batches end."""
WORD_SPREAD = 0.5
"""Standard deviation of the words' coordinates when training begins."""


class LessonBatch(NamedTuple):
    """Texts of like length: ids and mask, shape = (B, L), logits (B, labels), margins and weights (B,)."""

    input_ids: Tensor
    attention_mask: Tensor
    logits: Tensor
    margins: Tensor
    weights: Tensor


def measure_margins(logits: Float32, thresholds: Float32) -> Float32:
    """How far the highest logit is above its threshold, shape = (n,); labels with an infinite one do not count."""
    return np.asarray((logits - thresholds).max(axis=1), np.float32)


def weigh_lessons(taught: Taught, thresholds: Float32) -> Float32:
    """How much each text counts, shape = (n,)."""
    flagged = measure_margins(taught.logits, thresholds) > 0
    found = taught.found(thresholds).any(axis=1)
    return np.where(found, FOUND_WEIGHT, np.where(flagged, FLAGGED_WEIGHT, 1.0)).astype(np.float32)


def lesson_batches(taught: Taught, thresholds: Float32, n_batch: int) -> Iterator[LessonBatch]:
    """Endless: pass after pass, each in another order; thresholds of shape = (labels,)."""
    lengths = np.array([len(row) for row in taught.ids])
    columns = [
        torch.from_numpy(column)
        for column in (
            taught.logits.clip(-LOGITS, LOGITS),
            measure_margins(taught.logits, thresholds).clip(*MARGINS),
            weigh_lessons(taught, thresholds),
        )
    ]
    for number in count():
        rng = np.random.default_rng(number)
        order = np.argsort(lengths + rng.random(len(lengths)) * LENGTH_NOISE, kind="stable")
        chunks = np.array_split(order, max(1, round(len(order) / n_batch)))
        for place in rng.permutation(len(chunks)):
            ids, mask = pad([taught.ids[row] for row in chunks[place]])
            rows = torch.from_numpy(chunks[place])
            yield LessonBatch(torch.from_numpy(ids), torch.from_numpy(mask), *(column[rows] for column in columns))


def first_stage_loss(stage: FirstStage, batch: LessonBatch) -> Tensor:
    """Loss, a scalar: of the logits, of the margin, and of whether the text is suspicious."""
    logits, suspicion = stage(batch.input_ids, batch.attention_mask)
    margin = suspicion[:, 0].float()
    distance = F.smooth_l1_loss(margin, batch.margins, reduction="none")
    suspicious = torch.sigmoid(SHARPNESS * batch.margins)
    wrong = F.binary_cross_entropy_with_logits(margin + NEAR, suspicious, reduction="none")
    weighed = (batch.weights * (MARGIN_WEIGHT * distance + wrong)).mean()
    return F.smooth_l1_loss(logits.float(), batch.logits) + weighed


def find_words(encoder_file: Path, taught: Taught, d_word: int) -> Float32:
    """The text encoder's words in the directions in which those of the texts differ most, shape = (words, d_word).

    Raises
    ------
    EncoderFileError
        If `sluice_models.export` did not write the encoder.
    """
    words = read_constants(onnx.load(str(encoder_file)).graph).get(WORDS)
    if words is None:
        raise EncoderFileError(f"{encoder_file} was not written by sluice_models.export: it has no {WORDS}")
    words = words.astype(np.float32)
    shares = np.sqrt(np.bincount(np.concatenate(taught.ids), minlength=len(words)) + 0.1)
    shares /= shares.sum()
    centred = words - shares @ words
    _, directions = np.linalg.eigh((centred * shares[:, None]).T @ centred)
    found = centred @ directions[:, ::-1][:, :d_word]
    return np.asarray(found / found.std() * WORD_SPREAD, np.float32)


def embed(words: Float32) -> nn.Embedding:
    """An embedding that starts from these rows, shape = (words, d_word)."""
    n_words, d_word = words.shape
    embedding = nn.Embedding(n_words, d_word)
    with torch.no_grad():
        embedding.weight.copy_(torch.from_numpy(words))
    return embedding


def train_first_stage(
    taught: Taught, words: Float32, thresholds: Float32, config: FirstStageConfig, runs: Path, console: Console
) -> FirstStage:
    """Train on texts that the other models have scored; in evaluation mode, and left in `runs` as it was trained.

    Parameters
    ----------
    words : ndarray of float32, shape = (words, d_word)
        Where the words start.
    thresholds : ndarray of float32, shape = (labels,)
        Logits from which on a policy asks for a review.
    """
    torch.manual_seed(0)
    stage = FirstStage(config.network, embed(words))
    rest = [weight for name, weight in stage.named_parameters() if not name.startswith("words")]
    groups = [
        {"params": list(stage.words.parameters()), "lr": config.training.learning_rate, "weight_decay": 0.0},
        {"params": rest, "lr": config.training.fresh_learning_rate},
    ]
    batches = lesson_batches(taught, thresholds, config.training.n_batch)
    fit(
        Task(NAME, stage, groups, batches, lambda batch: first_stage_loss(stage, batch)), config.training, runs, console
    )
    return stage
