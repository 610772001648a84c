"""What the encoders lose when all of their arithmetic is in half precision, as TensorRT computes on a GPU.

Every weight and every intermediate value is rounded to float16; on a CPU that is slow, so a sample has to do.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sluice.features.text import TextExtractor
from sluice.intervals import Floats
from sluice_models.config import TOKENIZER_FILE, TextSampling
from sluice_models.data.bundle import Example, Split
from sluice_models.measure.precision import PrecisionRow, compare_forms
from sluice_models.measure.source_figures import sample_source
from sluice_models.networks.audio import AudioEncoder
from sluice_models.networks.fusion import Encoder
from sluice_models.networks.image import ImageEncoder
from sluice_models.networks.text import TextEncoder
from sluice_models.recipes.audio.clips import read_clips
from sluice_models.recipes.audio.windows import plain_sounds
from sluice_models.recipes.image.pictures import load_pictures
from sluice_models.recipes.text.texts import collate, prepare, text_inputs
from sluice_models.training.bundle_encoding import N_SYNTHETIC
from sluice_models.training.device import best_device

FORM = "half precision"
N_TEXTS, N_MEDIA = 700, 300
"""Of each kind; texts besides those with rare harms."""
N_BATCH = 16
Inputs = Sequence[tuple[Tensor, ...]]


def check_half_texts(encoder: TextEncoder, examples: Sequence[Example], sampling: TextSampling) -> list[PrecisionRow]:
    """Labels of texts."""
    sample = sample_source(examples, N_TEXTS).rows
    rows = sorted(prepare(sample, TextExtractor(TOKENIZER_FILE), sampling), key=lambda row: len(row.ids))
    inputs = [text_inputs(collate(rows[start : start + N_BATCH])) for start in range(0, len(rows), N_BATCH)]
    targets = np.stack([np.where(row.weights == 1, row.targets, np.nan) for row in rows])
    return compare_forms(FORM, "text", targets, *_run_both(encoder, inputs))


def check_half_pictures(encoder: ImageEncoder, bundle: Path, split: Split, runs: Path) -> list[PrecisionRow]:
    """Labels of images."""
    pictures = load_pictures(bundle, split, runs)
    chosen = _spread(len(pictures.targets))
    inputs = _batches(np.asarray(pictures.pixels[chosen]))
    return compare_forms(FORM, "image", pictures.targets[chosen], *_run_both(encoder, inputs))


def check_half_sounds(encoder: AudioEncoder, bundle: Path, split: Split) -> list[PrecisionRow]:
    """Labels of sounds."""
    sounds = plain_sounds(read_clips(bundle, split), N_SYNTHETIC, 99)
    chosen = _spread(len(sounds.targets))
    inputs = _batches(sounds.log_mels[chosen])
    return compare_forms(FORM, "audio", sounds.targets[chosen], *_run_both(encoder, inputs))


def _spread(n_rows: int) -> list[int]:
    """At most about `N_MEDIA` rows, evenly."""
    return list(range(0, n_rows, max(1, n_rows // N_MEDIA)))


def _batches(rows: npt.NDArray[Any]) -> Inputs:
    return [(torch.from_numpy(rows[start : start + N_BATCH]),) for start in range(0, len(rows), N_BATCH)]


def _run_both(encoder: Encoder, inputs: Inputs) -> Iterator[Floats]:
    """Logits of all rows, shape = (n, labels), in single and then in half precision."""
    yield _run(encoder, inputs)
    yield _run(copy.deepcopy(encoder).half(), inputs)


def _run(encoder: Encoder, inputs: Inputs) -> Floats:
    device, kind = best_device(), next(encoder.parameters()).dtype
    encoder.to(device)
    with torch.inference_mode():
        logits = [
            encoder(*(_fit(part.to(device), kind) for part in batch))[1].float().cpu().numpy() for batch in inputs
        ]
    encoder.cpu()
    return np.concatenate(logits)


def _fit(part: Tensor, kind: torch.dtype) -> Tensor:
    return part.to(kind) if part.is_floating_point() else part
