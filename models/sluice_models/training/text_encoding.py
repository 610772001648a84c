"""Runs a text encoder over texts as they are served: every row of a text is read, the most telling ones are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from sluice.contract import MAX_FUSED_ROWS
from sluice.features import Features, TextRow
from sluice.features.text import TextExtractor
from sluice.modalities.parts import find_outstanding, is_cleared
from sluice.verdict.fusion import most_telling
from sluice_models.config import D_TOKEN, N_TOKENS
from sluice_models.networks.heads import N_LABELS
from sluice_models.recipes.fusion.encoded import Bools, Float16, Float32
from sluice_models.recipes.text.reading import pad
from sluice_models.training.device import knows_bfloat16

N_BATCH, N_CHUNK = 64, 1024
"""Rows that are encoded at a time, and texts."""
EncoderFunction = Callable[..., tuple[Tensor, Tensor, Tensor]]
"""Inputs of a model of the contract to its tokens, logits and evidence."""


@dataclass(frozen=True)
class EncodedTexts:
    """What an encoder makes of texts.

    Attributes
    ----------
    tokens : ndarray of float16, shape = (n, MAX_FUSED_ROWS * N_TOKENS, 256)
        Of each text's most telling rows.
    mask : ndarray of bool, shape = (n, MAX_FUSED_ROWS * N_TOKENS)
    logits : ndarray, shape = (n, labels)
        Of each label the highest over all rows.
    """

    tokens: Float16
    mask: Bools
    logits: Float32


def encode_texts(
    encoder: EncoderFunction,
    extractor: TextExtractor,
    texts: Sequence[str],
    device: torch.device | None = None,
    rough: bool = False,
) -> EncodedTexts:
    """Encode texts; at least one.

    Parameters
    ----------
    device : torch.device, optional
        Where the encoder is; the CPU by default.
    rough : bool
        In bfloat16 where that is faster: as imprecise as what is served.
    """
    parts = [
        _encode(encoder, extractor, texts[start : start + N_CHUNK], device or torch.device("cpu"), rough)
        for start in range(0, len(texts), N_CHUNK)
    ]
    columns = zip(*((part.tokens, part.mask, part.logits) for part in parts), strict=True)
    return EncodedTexts(*map(np.concatenate, columns))


def _encode(
    encoder: EncoderFunction, extractor: TextExtractor, texts: Sequence[str], device: torch.device, rough: bool
) -> EncodedTexts:
    features = extractor.extract_batch(texts)
    ranges = list(pairwise(np.cumsum([0, *(len(each.rows) for each in features)]).tolist()))
    halved = rough and knows_bfloat16(device.type)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=halved):
        tokens, logits = _run(encoder, [row for each in features for row in each.rows], device)
        again = _look_again(features, logits, ranges)
        if again:
            closer = _run(encoder, list(again.values()), device)
            _clear(tokens, logits, list(again), *closer)
    return _gather(tokens, logits, ranges)


def _run(encoder: EncoderFunction, rows: Sequence[TextRow], device: torch.device) -> tuple[Float16, Float32]:
    """Tokens and logits of rows, in their order."""
    tokens = np.zeros((len(rows), N_TOKENS, D_TOKEN), np.float16)
    logits = np.zeros((len(rows), N_LABELS), np.float32)
    for chunk, inputs in batch_rows(rows):
        outputs = encoder(*(part.to(device) for part in inputs))
        tokens[chunk] = outputs[0].float().cpu().numpy()
        logits[chunk] = outputs[1].float().cpu().numpy()
    return tokens, logits


def _look_again(
    features: Sequence[Features[TextRow]], logits: Float32, ranges: Sequence[tuple[int, int]]
) -> dict[int, TextRow]:
    """Sentences that stand out, with their neighbours, by their places among all rows: these may clear them."""
    found: dict[int, TextRow] = {}
    for each, (start, end) in zip(features, ranges, strict=True):
        outputs = [{"logits": row} for row in logits[start:end]]
        found |= {start + place: row for place, row in find_outstanding(each, outputs).items()}
    return found


def _clear(
    tokens: Float16, logits: Float32, places: Sequence[int], closer_tokens: Float16, closer_logits: Float32
) -> None:
    """Put closer readings in the places of those rows that they clear."""
    for n, place in enumerate(places):
        if is_cleared(logits[place], closer_logits[n]):
            tokens[place], logits[place] = closer_tokens[n], closer_logits[n]


def batch_rows(rows: Sequence[TextRow]) -> Iterator[tuple[list[int], tuple[Tensor, Tensor]]]:
    """Places of rows of like length, and the encoder's inputs for them, shape = (B, L) each."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].input_ids))
    for start in range(0, len(order), N_BATCH):
        chunk = order[start : start + N_BATCH]
        ids, mask = pad([rows[index].input_ids for index in chunk])
        yield chunk, (torch.from_numpy(ids), torch.from_numpy(mask))


def _gather(tokens: Float16, logits: Float32, ranges: Sequence[tuple[int, int]]) -> EncodedTexts:
    """Rows of all texts to texts; `ranges` say which rows are whose."""
    shape = (len(ranges), MAX_FUSED_ROWS, N_TOKENS)
    kept, shown = np.zeros((*shape, D_TOKEN), np.float16), np.zeros(shape, np.bool_)
    highest = np.zeros((len(ranges), logits.shape[1]), np.float32)
    for text, (start, end) in enumerate(ranges):
        chosen = most_telling(logits[start:end])
        kept[text, : len(chosen)] = tokens[start:end][chosen]
        shown[text, : len(chosen)] = True
        highest[text] = logits[start:end].max(axis=0)
    flat = kept.reshape(len(ranges), -1, D_TOKEN), shown.reshape(len(ranges), -1)
    return EncodedTexts(*flat, highest)
