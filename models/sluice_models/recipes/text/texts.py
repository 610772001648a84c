"""Texts for training: sampled by source, tokenised as in serving, with token marks where there are rationales."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sluice.features import TextRow
from sluice.features.text import TextExtractor
from sluice.schema import HARMS, LABELS
from sluice_models.config import TextSampling
from sluice_models.data.bundle import Example
from sluice_models.recipes.text.lexicon import fill_lexicon
from sluice_models.recipes.text.noise import NOISY_SHARE, add_spelling_noise
from sluice_models.recipes.text.templates import fill_templates

CUES = len(HARMS)
"""Labels from here on are carried by pictures or sound; a text has none of them."""
RELATED = ("weapons", "spam", "fraud", "gambling", "illicit")
"""A row positive for one of these may well be so for another: no weak zeros there."""
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextExample:
    """A tokenised text.

    Attributes
    ----------
    ids, marks : ndarray, shape = (L,)
    byte_ids : ndarray, shape = (M,)
    targets, weights : ndarray, shape = (labels,)
    source : str
    """

    ids: npt.NDArray[np.int64]
    byte_ids: npt.NDArray[np.int64]
    marks: Float32
    targets: Float32
    weights: Float32
    source: str


@dataclass(frozen=True)
class TextBatch:
    """Rows padded to the longest: (B, L) twice, (B, M) twice, (B, L), (B, labels), (B, labels); and their sources."""

    input_ids: Tensor
    attention_mask: Tensor
    byte_ids: Tensor
    byte_mask: Tensor
    marks: Tensor
    targets: Tensor
    weights: Tensor
    sources: tuple[str, ...]


def sample_pass(examples: list[Example], rows: TextSampling, seed: int) -> list[Example]:
    """One pass: each source up to its limit, rows with rare harms always, and templates; in random order."""
    rng = random.Random(seed)
    by_source: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_source[example.source].append(example)
    chosen = fill_templates(rows.n_templates, seed) + fill_lexicon(examples, rows.n_lexicon, seed)
    for source, own in by_source.items():
        chosen += _limit(own, rows.max_rows.get(source, len(own)), rng)
    rng.shuffle(chosen)
    return chosen


def add_noise(examples: list[Example], seed: int) -> list[Example]:
    """Add spelling noise to a share of the texts; their marks, which no longer fit, are left out."""
    rng = random.Random(seed)
    return [
        replace(one, text=add_spelling_noise(rng, one.text or ""), meta={}) if rng.random() < NOISY_SHARE else one
        for one in examples
    ]


RARE = [LABELS.index(label) for label in ("threat", "violence", "self_harm", "spam", "fraud", "gambling", "illicit")]


def _limit(rows: list[Example], limit: int, rng: random.Random) -> list[Example]:
    rare = [row for row in rows if (row.targets[RARE] == 1).any()]
    common = [row for row in rows if not (row.targets[RARE] == 1).any()]
    return rare + rng.sample(common, min(limit, len(common)))


def prepare(examples: list[Example], extractor: TextExtractor, rows: TextSampling) -> list[TextExample]:
    """Tokenise; only a text's first window is trained on."""
    prepared = []
    for start in range(0, len(examples), 512):
        chunk = examples[start : start + 512]
        for example, features in zip(chunk, extractor.extract_batch([e.text or "" for e in chunk]), strict=True):
            prepared.append(_prepare(example, features.rows[0], rows))
    return prepared


def _prepare(example: Example, row: TextRow, rows: TextSampling) -> TextExample:
    targets, weights = complete_targets(example.targets, rows)
    ids, marks = row.input_ids[: rows.max_tokens], mark_tokens(example, row)[: rows.max_tokens]
    byte_ids = cut_bytes(row.byte_ids, rows.max_byte_tokens)
    return TextExample(ids, byte_ids, marks, targets, weights, example.source)


def cut_bytes(byte_ids: npt.NDArray[np.int64], n_most: int) -> npt.NDArray[np.int64]:
    """At most so many pieces of a row, shape = (M,); the end token stays the last."""
    if len(byte_ids) <= n_most:
        return byte_ids
    return np.append(byte_ids[: n_most - 1], byte_ids[-1])


def complete_targets(targets: Float32, rows: TextSampling) -> tuple[Float32, Float32]:
    """Targets and weights, shape = (labels,): cues are 0, and labels that hardly ever occur unsaid are weakly 0."""
    targets, weights = targets.copy(), np.ones(len(targets), np.float32)
    targets[CUES:] = 0.0
    related = any(targets[LABELS.index(label)] == 1 for label in RELATED)
    for label in rows.weak_zeros:
        index = LABELS.index(label)
        if np.isnan(targets[index]) and not (related and label in RELATED):
            targets[index], weights[index] = 0.0, rows.weak_weight
    return targets, weights


def mark_tokens(example: Example, row: TextRow) -> Float32:
    """What the annotators marked, per token, shape = (L,): a share in [0, 1], NaN where nobody was asked."""
    known = example.targets[~np.isnan(example.targets)]
    if "spans" in example.meta:
        return _overlaps(row, [(start, end, 1.0) for start, end in example.meta["spans"]])
    if example.meta.get("rationale"):
        return _overlaps(row, list(_rationale_spans(example.text or "", example.meta)))
    harmless = len(known) >= 10 and not (known == 1).any()
    return np.full(len(row.input_ids), 0.0 if harmless else np.nan, np.float32)


def _overlaps(row: TextRow, spans: list[tuple[int, int, float]]) -> Float32:
    marks = np.zeros(len(row.input_ids), np.float32)
    for start, end, share in spans:
        marks[(row.spans[:, 0] < end) & (row.spans[:, 1] > start)] = share
    return marks


def _rationale_spans(text: str, meta: dict[str, Any]) -> Iterator[tuple[int, int, float]]:
    """Where HateXplain's tokens stand in the text; those that are not found are passed over."""
    position = 0
    for token, share in zip(meta["tokens"], meta["rationale"], strict=False):
        start = text.find(token, position)
        if start >= 0:
            position = start + len(token)
            yield start, position, float(share)


def bucket(rows: list[TextExample], n_batch: int, seed: int, by_bytes: bool = False) -> Iterator[list[TextExample]]:
    """Batches of rows of like length, in word pieces or in byte pieces, in random order."""
    rng = random.Random(seed)
    chunk = n_batch * 50
    batches = []
    for start in range(0, len(rows), chunk):
        alike = sorted(rows[start : start + chunk], key=lambda row: len(row.byte_ids if by_bytes else row.ids))
        batches += [alike[first : first + n_batch] for first in range(0, len(alike), n_batch)]
    rng.shuffle(batches)
    yield from batches


def collate(rows: list[TextExample]) -> TextBatch:
    """Pad rows to the longest of them."""
    ids, mask = pad([row.ids for row in rows])
    byte_ids, byte_mask = pad([row.byte_ids for row in rows])
    marks = np.full(ids.shape, np.nan, np.float32)
    for index, row in enumerate(rows):
        marks[index, : len(row.ids)] = row.marks
    targets, weights = (np.stack(part) for part in zip(*((row.targets, row.weights) for row in rows), strict=True))
    return TextBatch(
        torch.from_numpy(ids),
        torch.from_numpy(mask),
        torch.from_numpy(byte_ids),
        torch.from_numpy(byte_mask),
        torch.from_numpy(marks),
        torch.from_numpy(targets),
        torch.from_numpy(weights),
        tuple(row.source for row in rows),
    )


def pad(rows: Sequence[npt.NDArray[np.int64]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids and mask, shape = (n, longest)."""
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    mask = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)], mask[index, : len(row)] = row, 1
    return ids, mask


def text_inputs(batch: TextBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What the text encoder takes of a batch: (B, L) twice and (B, M) twice."""
    return batch.input_ids, batch.attention_mask, batch.byte_ids, batch.byte_mask
