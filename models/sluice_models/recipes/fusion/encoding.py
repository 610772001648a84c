"""Runs trained encoders over the bundle, once, for the fusion, the calibration and the evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sluice.features.text import TextExtractor
from sluice.schema import LABELS, Modality
from sluice_models.config import TOKENIZER_FILE, TextRows
from sluice_models.data.bundle import Example, Split, read_media, read_texts
from sluice_models.networks.encoders import AudioEncoder, Encoder, ImageEncoder, TextEncoder
from sluice_models.recipes.audio.clips import compose_sounds, plain_sounds, read_clips
from sluice_models.recipes.image.pictures import DRAWN, load_pictures, vary
from sluice_models.recipes.text.templates import fill_templates
from sluice_models.recipes.text.texts import collate, prepare, sample_pass, text_inputs

N_BATCH = 64
N_TEXTS, N_SOUNDS, N_SYNTHETIC = 12_000, 3_000, 200
PLAIN_SEVERITY = 0.7
"""Of a harm that is there, where nobody said how bad it is."""
Float32 = npt.NDArray[np.float32]
OURS = "made by us"
"""The source of drawings and synthesised sounds."""


@dataclass(frozen=True)
class Encoded:
    """Encoder outputs and what they should lead to, a row per part.

    Attributes
    ----------
    tokens : ndarray, shape = (n, N_TOKENS, 256)
    logits, targets, weights, severity : ndarray, shape = (n, labels)
        Targets and severity are NaN where not annotated.
    sources : list of str
    """

    tokens: Float32
    logits: Float32
    targets: Float32
    weights: Float32
    severity: Float32
    sources: list[str]

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Rows of data sets, shape = (n,): among our own, harms occur as often as we made them."""
        return np.array([source != OURS for source in self.sources], np.bool_)


def encode_texts(encoder: TextEncoder, bundle: Path, split: Split, choice: TextRows) -> Encoded:
    """Training: a sample as the encoder sees it, templates included; validation: every text of the bundle."""
    examples = read_texts(bundle, split)
    chosen = sample_pass(examples, choice, seed=99)[:N_TEXTS] if split == "train" else examples
    rows = prepare(chosen, TextExtractor(TOKENIZER_FILE), choice)
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].ids))  # like lengths together: less padding
    rows, chosen = [rows[index] for index in order], [chosen[index] for index in order]
    batches = (collate(rows[start : start + N_BATCH]) for start in range(0, len(rows), N_BATCH))
    tokens, logits = _run(encoder, (text_inputs(batch) for batch in batches), split)
    severity = np.stack([text_severity(example) for example in chosen])
    targets, weights = np.stack([row.targets for row in rows]), np.stack([row.weights for row in rows])
    return Encoded(tokens, logits, targets, weights, severity, [example.source for example in chosen])


def encode_pictures(encoder: ImageEncoder, bundle: Path, split: Split, runs: Path) -> Encoded:
    """Training: each image varied once; validation: as they are."""
    pictures = load_pictures(bundle, split, runs)
    generator = torch.Generator().manual_seed(7)
    chunks = (torch.from_numpy(np.array(pictures.pixels[i : i + N_BATCH])) for i in _starts(pictures.targets))
    varied = ((vary(chunk, generator) if split == "train" else chunk,) for chunk in chunks)
    sources = [group.rpartition(":")[0].replace(DRAWN, OURS) for group in pictures.groups.tolist()]
    return _plain(*_run(encoder, varied, split), pictures.targets, sources)


def encode_sounds(encoder: AudioEncoder, bundle: Path, split: Split) -> Encoded:
    """Training: composed windows; validation: the clips as they are and harmless synthesised sounds."""
    clips = read_clips(bundle, split)
    sounds = compose_sounds(clips, N_SOUNDS, 99) if split == "train" else plain_sounds(clips, N_SYNTHETIC, 99)
    chunks = ((torch.from_numpy(sounds.log_mels[i : i + N_BATCH]),) for i in _starts(sounds.targets))
    named = [] if split == "train" else [row.source for row in read_media(bundle, "audio", split)]
    sources = named + [OURS] * (len(sounds.targets) - len(named))
    return _plain(*_run(encoder, chunks, split), sounds.targets, sources)


def encode_split(encoders: list[Encoder], bundle: Path, split: Split, choice: TextRows, runs: Path) -> list[Encoded]:
    """All three, in the order of the fusion's kinds; `choice` is of texts."""
    found: dict[Modality, Encoded] = {}
    for encoder in encoders:
        if isinstance(encoder, TextEncoder):
            found["text"] = encode_texts(encoder, bundle, split, choice)
        elif isinstance(encoder, ImageEncoder):
            found["image"] = encode_pictures(encoder, bundle, split, runs)
        else:
            found["audio"] = encode_sounds(encoder, bundle, split)
    return [found["text"], found["image"], found["audio"]]


def text_severity(example: Example) -> Float32:
    """How bad it is, shape = (labels,): the annotators' scale or votes where there are any; NaN where unknown."""
    severity = plain_severity(example.targets)
    if isinstance(example.meta.get("severity"), float | int):  # one source has words there
        severity[example.targets == 1] = example.meta["severity"]
    elif shares := _vote_shares(example):
        severity[LABELS.index("toxicity")], severity[LABELS.index("hate")] = shares
    return severity


def _vote_shares(example: Example) -> tuple[float, float] | None:
    """Shares of the annotators who called it toxic, hate among it, and hate; None where no votes are told."""
    votes = np.array(example.meta.get("votes") or [0])
    if example.source == "hatexplain":  # a vote each: 0 hate, 1 normal, 2 offensive
        return float((votes != 1).mean()), float((votes == 0).mean())
    if example.source == "davidson2017":  # counted: hate, offensive, neither
        return float(votes[:2].sum() / votes.sum()), float(votes[0] / votes.sum())
    return None


def plain_severity(targets: Float32) -> Float32:
    """`PLAIN_SEVERITY` where a harm is, 0 where it is not, NaN where nobody said."""
    return (targets * PLAIN_SEVERITY).astype(np.float32)


def encode_templates(encoder: TextEncoder, choice: TextRows, n_rows: int) -> Encoded:
    """Fresh fillings of our own templates."""
    return encode_examples(encoder, fill_templates(n_rows, seed=12345), choice)


def encode_examples(encoder: TextEncoder, examples: list[Example], choice: TextRows) -> Encoded:
    """Texts of our own, as they are and in their order."""
    rows = prepare(examples, TextExtractor(TOKENIZER_FILE), choice)
    batches = (collate(rows[start : start + N_BATCH]) for start in range(0, len(rows), N_BATCH))
    tokens, logits = _run(encoder, (text_inputs(batch) for batch in batches), "val")
    return _plain(tokens, logits, np.stack([row.targets for row in rows]), [OURS] * len(rows))


def _plain(tokens: Float32, logits: Float32, targets: Float32, sources: list[str]) -> Encoded:
    return Encoded(tokens, logits, targets, np.ones_like(targets), plain_severity(targets), sources)


def _starts(rows: Float32) -> range:
    return range(0, len(rows), N_BATCH)


def _run(encoder: Callable[..., Any], batches: Iterable[tuple[Tensor, ...]], split: Split) -> tuple[Float32, Float32]:
    """Tokens and logits of all rows; training rows in bfloat16, which is faster and rough enough to be robust."""
    tokens, logits = [], []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=split == "train"):
        for batch in batches:
            outputs = encoder(*batch)
            tokens.append(outputs[0].float().numpy())
            logits.append(outputs[1].float().numpy())
    return np.concatenate(tokens), np.concatenate(logits)
