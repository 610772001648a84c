"""Which shapes a TensorRT plan is built for, and random rows of such shapes; without torch: the image has none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.errors import SluiceError
from sluice.features import BYTE_WINDOW_TOKENS, IMAGE_SIZE_PX, N_FRAMES, N_MELS, TEXT_WINDOW_TOKENS
from sluice.schema import MAX_AUDIO, MAX_IMAGES
from sluice_models.config import D_TOKEN, N_TOKENS, ModelName

MAX_BATCH, MAX_POSTS = 32, 64
"""`max_batch_size` of the encoders and of the fusion."""
USUAL_BATCH = 8
USUAL_TEXT_TOKENS = 32
MIN_TEXT_TOKENS = 2
"""What an empty text has: [CLS] and [SEP]."""
MIN_BYTE_TOKENS = 1
"""What an empty text has: the end."""
USUAL_BYTE_TOKENS = 48
MAX_TEXT_ROWS, MAX_IMAGE_ROWS, MAX_CLIP_ROWS = 32, 8, 40
"""`MAX_WINDOWS` and `MAX_ROWS` of `sluice.features`, whose modules need libraries that Triton's image lacks."""
MAX_PARTS = MAX_TEXT_ROWS + MAX_IMAGES * MAX_IMAGE_ROWS + MAX_AUDIO * MAX_CLIP_ROWS
"""Rows that one post may bring to the fusion, each of `N_TOKENS` tokens."""
SAMPLE_IDS = (5, 250)
"""Token ids of random texts: any vocabulary has them."""

Shape = tuple[int, ...]
Shapes = tuple[Shape, Shape, Shape]
Profile = dict[str, Shapes]
Arrays = dict[str, npt.NDArray[Any]]


class PlanError(SluiceError):
    """No plan can be built or run here: TensorRT or a GPU is missing, or the model is refused."""


def _rows(*row: int) -> Shapes:
    return (1, *row), (USUAL_BATCH, *row), (MAX_BATCH, *row)


_WORDS: Shapes = ((1, MIN_TEXT_TOKENS), (USUAL_BATCH, USUAL_TEXT_TOKENS), (MAX_BATCH, TEXT_WINDOW_TOKENS))
_BYTES: Shapes = ((1, MIN_BYTE_TOKENS), (USUAL_BATCH, USUAL_BYTE_TOKENS), (MAX_BATCH, BYTE_WINDOW_TOKENS))
_POSTS: Shapes = ((1, N_TOKENS), (USUAL_BATCH, 4 * N_TOKENS), (MAX_POSTS, MAX_PARTS * N_TOKENS))
_smallest, _usual, _largest = _POSTS

PROFILES: dict[ModelName, Profile] = {
    "text_encoder": {"input_ids": _WORDS, "attention_mask": _WORDS, "byte_ids": _BYTES, "byte_mask": _BYTES},
    "image_encoder": {"pixels": _rows(3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)},
    "audio_encoder": {"log_mel": _rows(N_MELS, N_FRAMES)},
    "fusion": {
        "tokens": ((*_smallest, D_TOKEN), (*_usual, D_TOKEN), (*_largest, D_TOKEN)),
        "mask": _POSTS,
        "kind": _POSTS,
    },
}
"""Smallest, usual and largest shape of every input, batch first."""


def describe_profile(name: ModelName, inputs: Iterable[str]) -> Profile:
    """The shapes of those inputs that a model has; raises `PlanError` for one that is none of ours."""
    known, names = PROFILES[name], list(inputs)
    if strange := [tensor for tensor in names if tensor not in known]:
        raise PlanError(f"{name} has the inputs {strange}, known are {list(known)}")
    return {tensor: known[tensor] for tensor in names}


def sample_rows(name: ModelName, inputs: Iterable[str], n_rows: int, which: int = 1, seed: int = 0) -> Arrays:
    """Random rows in the smallest (0), usual (1) or largest (2) shape of a model's profile; some are padded."""
    chance = np.random.default_rng(seed)
    profile = describe_profile(name, inputs)
    return {tensor: _fill(tensor, (n_rows, *shapes[which][1:]), chance) for tensor, shapes in profile.items()}


def _fill(tensor: str, shape: Shape, chance: np.random.Generator) -> npt.NDArray[Any]:
    if tensor in ("attention_mask", "byte_mask"):
        lengths = chance.integers(1, shape[1] + 1, (shape[0], 1))
        return (np.arange(shape[1]) < lengths).astype(np.int64)
    if tensor == "pixels":
        return chance.integers(0, 256, shape, dtype=np.uint8)
    if tensor == "mask":
        return np.asarray(chance.random(shape) < 0.7)
    if tensor == "kind":
        return chance.integers(0, 3, shape, dtype=np.int64)
    if tensor == "log_mel":
        return chance.uniform(-1, 1, shape).astype(np.float32)
    if tensor == "tokens":
        return chance.standard_normal(shape).astype(np.float32)
    return chance.integers(*SAMPLE_IDS, shape, dtype=np.int64)
