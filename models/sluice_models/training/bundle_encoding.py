"""Runs trained encoders over the bundle, once, for the fusion, the calibration and the evaluation."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from sluice.features.text import TextExtractor
from sluice.schema import LABELS
from sluice_models.config import TOKENIZER_FILE, TextRecipe
from sluice_models.data.bundle import Example, Split, read_media, read_texts
from sluice_models.recipes.audio.clips import read_clips
from sluice_models.recipes.audio.windows import compose_sounds, plain_sounds
from sluice_models.recipes.fusion.encoded import OURS, Encoded, Float32, one_row_each, plain_severity, text_severity
from sluice_models.recipes.fusion.pairs import PairTexts, write_lines
from sluice_models.recipes.image.pictures import DRAWN, augment, load_pictures
from sluice_models.recipes.text.stream import Mixer
from sluice_models.recipes.text.texts import RARE, complete_targets
from sluice_models.training.device import knows_bfloat16
from sluice_models.training.text_encoding import EncoderFunction, encode_texts

N_BATCH = 64
N_TEXTS, N_PICTURES, N_SOUNDS, N_SYNTHETIC = 8_000, 5_000, 3_000, 200
MAX_PER_SOURCE = 300
"""Validation texts of one source in one language, and as many with rare harms."""


def encode_bundle_texts(encoder: EncoderFunction, bundle: Path, split: Split, recipe: TextRecipe) -> Encoded:
    """Training: a chunk of the stream, composed posts included; validation: a sample of every source and language."""
    examples = read_texts(bundle, split)
    if split == "train":
        mixer = Mixer(examples, msgspec.structs.replace(recipe, chunk_rows=N_TEXTS))
        return encode_examples(encoder, mixer.chunk(99), recipe, rough=True)
    return encode_examples(encoder, sample_sources(examples, MAX_PER_SOURCE), recipe)


def sample_sources(examples: Sequence[Example], n_most: int) -> list[Example]:
    """At most so many rows of each source and language, and as many with rare harms; always the same ones."""
    groups: dict[tuple[str, str, bool], list[Example]] = defaultdict(list)
    for row in examples:
        groups[row.source, row.lang or "", bool((row.targets[RARE] == 1).any())].append(row)
    rng = random.Random(3)
    return [row for own in groups.values() for row in rng.sample(own, min(len(own), n_most))]


def encode_examples(
    encoder: EncoderFunction,
    examples: Sequence[Example],
    recipe: TextRecipe,
    extractor: TextExtractor | None = None,
    rough: bool = False,
) -> Encoded:
    """Texts as they are served, in their order; zeros that nobody gave count as the recipe says.

    Parameters
    ----------
    extractor : TextExtractor, optional
        That of the shipped vocabulary by default.
    rough : bool
        As of `encode_texts`.
    """
    certain = msgspec.structs.replace(recipe, source_weights={})
    texts = [example.text or "" for example in examples]
    found = encode_texts(encoder, extractor or TextExtractor(TOKENIZER_FILE), texts, rough=rough)
    targets, weights = map(np.stack, zip(*(complete_targets(row, certain) for row in examples), strict=True))
    severity = np.stack([text_severity(example) for example in examples])
    sources = [example.source for example in examples]
    return Encoded(found.tokens, found.mask, found.logits, targets, weights, severity, sources)


def encode_pictures(encoder: EncoderFunction, bundle: Path, split: Split, runs: Path) -> Encoded:
    """Training: a sample, each image varied once; validation: all, as they are."""
    pictures = load_pictures(bundle, split, runs)
    rows = np.arange(len(pictures.targets))
    if split == "train":
        rows = np.sort(np.random.default_rng(7).permutation(rows)[:N_PICTURES])
    generator, targets = torch.Generator().manual_seed(7), pictures.targets[rows]
    chunks = (torch.from_numpy(np.array(pictures.pixels[rows[i : i + N_BATCH]])) for i in _starts(targets))
    varied = ((augment(chunk, generator) if split == "train" else chunk,) for chunk in chunks)
    sources = [group.rpartition(":")[0].replace(DRAWN, OURS) for group in pictures.groups[rows].tolist()]
    return encode_rows(encoder, varied, targets, sources, split)


def encode_sounds(encoder: EncoderFunction, bundle: Path, split: Split) -> Encoded:
    """Training: composed windows; validation: the clips as they are and harmless synthesised sounds."""
    clips = read_clips(bundle, split)
    sounds = compose_sounds(clips, N_SOUNDS, 99) if split == "train" else plain_sounds(clips, N_SYNTHETIC, 99)
    chunks = ((torch.from_numpy(sounds.log_mels[i : i + N_BATCH]),) for i in _starts(sounds.targets))
    named = [] if split == "train" else [row.source for row in read_media(bundle, "audio", split)]
    sources = named + [OURS] * (len(sounds.targets) - len(named))
    return encode_rows(encoder, chunks, sounds.targets, sources, split)


def encode_split(
    encoders: Sequence[EncoderFunction], bundle: Path, split: Split, recipe: TextRecipe, runs: Path
) -> list[Encoded]:
    """Texts, pictures and sounds by their encoders, in the order of the fusion's kinds; `recipe` is of texts."""
    text, image, audio = encoders
    return [
        encode_bundle_texts(text, bundle, split, recipe),
        encode_pictures(image, bundle, split, runs),
        encode_sounds(audio, bundle, split),
    ]


def encode_pairs(
    encoder: EncoderFunction,
    recipe: TextRecipe,
    n_rows: int,
    held_out: bool,
    extractor: TextExtractor | None = None,
) -> PairTexts:
    """Sentences to train on, or those held out, encoded."""
    lines = write_lines(n_rows, seed=int(held_out), held_out=held_out)
    zeros = np.zeros(len(LABELS), np.float32)
    examples = [Example(f"pair-{i}", text, None, None, zeros, OURS) for i, (text, _) in enumerate(lines)]
    encoded = encode_examples(encoder, examples, recipe, extractor)
    return PairTexts(encoded, tuple(family for _, family in lines))


def encode_rows(
    encoder: EncoderFunction, batches: Iterable[tuple[Tensor, ...]], targets: Float32, sources: list[str], split: Split
) -> Encoded:
    """Parts of one row each, targets of shape = (n, labels); training rows in bfloat16 where that is faster."""
    tokens, logits = [], []
    rough = split == "train" and knows_bfloat16("cpu")
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=rough):
        for batch in batches:
            outputs = encoder(*batch)
            tokens.append(outputs[0].float().numpy())
            logits.append(outputs[1].float().numpy())
    shown = one_row_each(np.concatenate(tokens))
    severity = plain_severity(targets)
    return Encoded(*shown, np.concatenate(logits), targets, np.ones_like(targets), severity, sources)


def _starts(rows: Float32) -> range:
    return range(0, len(rows), N_BATCH)
