"""Runs trained encoders over the bundle, once, for the fusion, the calibration and the evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sluice.features.text import TextExtractor
from sluice.schema import LABELS, ModalityName
from sluice_models.config import TOKENIZER_FILE, TextSampling
from sluice_models.data.bundle import Example, Split, read_media, read_texts
from sluice_models.networks.audio import AudioEncoder
from sluice_models.networks.fusion import Encoder
from sluice_models.networks.image import ImageEncoder
from sluice_models.networks.text import TextEncoder
from sluice_models.recipes.audio.clips import read_clips
from sluice_models.recipes.audio.windows import compose_sounds, plain_sounds
from sluice_models.recipes.fusion.encoded import OURS, Encoded, Float32, plain_severity, text_severity
from sluice_models.recipes.fusion.pairs import PairTexts, write_lines
from sluice_models.recipes.image.pictures import DRAWN, augment, load_pictures
from sluice_models.recipes.text.texts import collate, prepare, sample_pass, text_inputs

N_BATCH = 64
N_TEXTS, N_SOUNDS, N_SYNTHETIC = 12_000, 3_000, 200


def encode_texts(encoder: TextEncoder, bundle: Path, split: Split, sampling: TextSampling) -> Encoded:
    """Training: a sample as the encoder sees it, templates included; validation: every text of the bundle."""
    examples = read_texts(bundle, split)
    chosen = sample_pass(examples, sampling, seed=99)[:N_TEXTS] if split == "train" else examples
    rows = prepare(chosen, TextExtractor(TOKENIZER_FILE), sampling)
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
    varied = ((augment(chunk, generator) if split == "train" else chunk,) for chunk in chunks)
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


def encode_split(
    encoders: list[Encoder], bundle: Path, split: Split, sampling: TextSampling, runs: Path
) -> list[Encoded]:
    """All three, in the order of the fusion's kinds; `sampling` is of texts."""
    found: dict[ModalityName, Encoded] = {}
    for encoder in encoders:
        if isinstance(encoder, TextEncoder):
            found["text"] = encode_texts(encoder, bundle, split, sampling)
        elif isinstance(encoder, ImageEncoder):
            found["image"] = encode_pictures(encoder, bundle, split, runs)
        else:
            found["audio"] = encode_sounds(encoder, bundle, split)
    return [found["text"], found["image"], found["audio"]]


def encode_pairs(encoder: TextEncoder, sampling: TextSampling, n_rows: int, held_out: bool) -> PairTexts:
    """Sentences to train on, or those held out, encoded."""
    lines = write_lines(n_rows, seed=int(held_out), held_out=held_out)
    zeros = np.zeros(len(LABELS), np.float32)
    examples = [Example(f"pair-{i}", text, None, None, zeros, "pairs") for i, (text, _) in enumerate(lines)]
    return PairTexts(encode_examples(encoder, examples, sampling), tuple(family for _, family in lines))


def encode_examples(encoder: TextEncoder, examples: list[Example], sampling: TextSampling) -> Encoded:
    """Texts of our own, as they are and in their order."""
    rows = prepare(examples, TextExtractor(TOKENIZER_FILE), sampling)
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
