"""The seam to the models: `Classifier`. `triton` holds the real one, `fake` the one for tests.

Callers hand over rows, never batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
"""Tensors of one row by name, without the batch axis."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model takes and gives.

    Attributes
    ----------
    inputs : dict of str to str
        Triton's type by tensor name. Rows may differ in the length of their first axis; zeros pad it.
    smallest : dict of str to tuple of int
        Shape of the smallest row by tensor name, for probes.
    outputs : tuple of str
    padded_outputs : tuple of str
        Outputs whose first axis is as long as the padded inputs'; cut back to the row's own length.
    max_rows : int
        Most rows in one request: `max_batch_size` in config.pbtxt.
    max_cells : int
        Most rows times padded length in one request; bounds the memory of attention.
    n_requests : int
        Requests on the way at once. Few for a quick model: each costs more than its rows, and what waits makes the
        next one fuller.
    """

    name: str
    inputs: Mapping[str, str]
    smallest: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    padded_outputs: tuple[str, ...] = ()
    max_rows: int = 32
    max_cells: int = 8192
    n_requests: int = 4


TEXT_ENCODER = ModelSpec(
    "text_encoder",
    {"input_ids": "INT64", "attention_mask": "INT64", "byte_ids": "INT64", "byte_mask": "INT64"},
    {"input_ids": (1,), "attention_mask": (1,), "byte_ids": (1,), "byte_mask": (1,)},
    ("tokens", "logits", "token_scores"),
    padded_outputs=("token_scores",),
)
IMAGE_ENCODER = ModelSpec(
    "image_encoder", {"pixels": "UINT8"}, {"pixels": (3, 160, 160)}, ("tokens", "logits", "heatmap")
)
AUDIO_ENCODER = ModelSpec(
    "audio_encoder", {"log_mel": "FP32"}, {"log_mel": (64, 200)}, ("tokens", "logits", "frame_scores")
)
FUSION = ModelSpec(
    "fusion",
    {"tokens": "FP32", "mask": "BOOL", "kind": "INT64"},
    {"tokens": (1, 256), "mask": (1,), "kind": (1,)},
    ("logits", "severity"),
    max_rows=64,
    max_cells=4096,
    n_requests=1,
)
MODELS = (TEXT_ENCODER, IMAGE_ENCODER, AUDIO_ENCODER, FUSION)


class Classifier(Protocol):
    """Where rows become scores."""

    async def infer(self, model: ModelSpec, rows: Sequence[Arrays], deadline: float) -> list[Arrays]:
        """Run rows through a model.

        Parameters
        ----------
        rows : sequence of mappings
            At least one; the model's inputs by name, without the batch axis.
        deadline : float
            On the running loop's clock, in seconds.

        Returns
        -------
        list of mappings
            The model's outputs by name, one per row, in order.

        Raises
        ------
        InferenceUnavailable
            The server cannot be reached; the same call may succeed later.
        InferenceLate
            The deadline came first.
        InferenceError
            The server refused the rows.
        """
        ...

    async def versions(self) -> dict[str, str]:
        """Version of each model by name; raises `InferenceUnavailable` while they are not all ready."""
        ...
