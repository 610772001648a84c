"""The contract between engine, training and Triton: labels, modalities, and the tensors that cross the seam.

Everything that both sides must agree on stands here once. Triton's configurations are written from it
(``python -m sluice_models.configs``); extraction, inference, export, TensorRT profiles and adopted encoders read it.
It imports nothing but the standard library, because it is also read where neither NumPy nor msgspec is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, get_args

HARMS = (
    "toxicity", "hate", "harassment", "threat", "violence", "self_harm", "sexual",
    "profanity", "weapons", "spam", "fraud", "gambling", "illicit",
)  # fmt: skip
CUES = ("fire", "gunshot", "scream", "shouting")
LABELS = HARMS + CUES
"""Every label, in the order of the models' outputs. Cues are carried by pictures or sound only."""

LABELS_PARAMETER = "labels"
"""Of a model's configuration in Triton: the labels in the order of its outputs, separated by commas."""

ModalityName = Literal["text", "image", "audio"]
MODALITIES: tuple[ModalityName, ...] = get_args(ModalityName)
"""In the order of the fusion model's ``kind`` input: text 0, image 1, audio 2."""

MAX_IMAGES, MAX_AUDIO = 8, 4
"""Of one post."""

N_TOKENS = 4
"""Tokens that every encoder gives per row."""
D_TOKEN = 256
"""Length of a token."""

MIN_TEXT_TOKENS, TEXT_WINDOW_TOKENS = 2, 128
"""Shortest and longest row of text in word pieces; an empty text has its start and its end."""
IMAGE_SIZE_PX = 160
"""Height and width of a row of pixels."""
HEATMAP_CELLS = 10
"""Height and width of the image encoder's heatmap."""
N_MELS = 64
"""Mel bands of a row of audio."""
N_FRAMES = 200
"""Frames of a row of audio."""
N_SCORED_FRAMES = 50
"""Time steps of the audio encoder's scores over the same window."""

MAX_TEXT_ROWS = 64
MAX_IMAGE_ROWS = 32
MAX_AUDIO_ROWS = 80
"""Rows that one text, one image and one clip are read as at most."""
MAX_FUSED_ROWS = 8
"""Rows of one part that go into the fusion: those whose highest logit is highest. Attention costs the square of the
tokens, and a post may have hundreds of rows; what stands out in a long part is in these."""
MAX_PARTS = 1 + MAX_IMAGES + MAX_AUDIO
"""Of one post: its text, its images and its clips."""


class Size(IntEnum):
    """Which shape of a batch: what a TensorRT plan is built for, and what checks and probes send."""

    SMALLEST = 0
    USUAL = 1
    LARGEST = 2


USUAL_BATCH = 8
"""Rows of a batch on a busy stack."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A length that differs from row to row; zeros pad shorter rows of a batch.

    Attributes
    ----------
    name : str
        The same in ONNX; tensors that share an axis are equally long.
    sizes : tuple of int
        Smallest, usual and largest length, indexed by `Size`.
    """

    name: str
    sizes: tuple[int, int, int]


LANGUAGES_PARAMETER = "languages"
"""Of the text encoder's configuration in Triton: codes of the languages it was measured on, separated by commas."""

ModelName = Literal["text_encoder", "image_encoder", "audio_encoder", "fusion"]
MODEL_NAMES: tuple[ModelName, ...] = get_args(ModelName)
"""The encoders in the order of `MODALITIES`, and the fusion."""
ENCODER_NAMES = MODEL_NAMES[:-1]

TensorType = Literal["BOOL", "UINT8", "INT64", "FP32"]
"""As Triton calls them."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model.

    Attributes
    ----------
    name : str
        The same in features, in ONNX and in ``config.pbtxt``.
    type : str
        One of `TensorType`.
    shape : tuple of int or Axis
        Of one row, without the batch axis.
    """

    name: str
    type: TensorType
    shape: tuple[int | Axis, ...]

    def sizes(self, size: Size = Size.SMALLEST) -> tuple[int, ...]:
        """Shape of a row in numbers."""
        return tuple(each.sizes[size] if isinstance(each, Axis) else each for each in self.shape)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model takes and gives.

    Attributes
    ----------
    name : str
        In Triton's model repository.
    inputs, outputs : tuple of TensorSpec
        An encoder's outputs are its tokens, its logits and its evidence, in this order.
    max_rows : int
        Most rows in one request: ``max_batch_size`` in ``config.pbtxt``.
    max_cells : int
        Most rows times padded length in one request; bounds the memory of attention.
    n_requests : int
        Requests on the way at once. Few for a quick model: each costs more than its rows, and what waits makes the
        next one fuller.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_rows: int = 32
    max_cells: int = 8192
    n_requests: int = 4

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(tensor.name for tensor in self.outputs)

    @property
    def evidence(self) -> TensorSpec:
        """An encoder's map of where in a row the labels show."""
        return self.outputs[2]


def encoder_spec(name: str, inputs: tuple[TensorSpec, ...], evidence: TensorSpec) -> ModelSpec:
    """Describe an encoder: every one gives `N_TOKENS` tokens, a logit per label, and its evidence."""
    return ModelSpec(name, inputs, (_TOKENS, _LOGITS, evidence))


_LENGTH = Axis("length", (MIN_TEXT_TOKENS, 32, TEXT_WINDOW_TOKENS))
# Whole rows of an encoder; shortest for a post of which nothing could be scored: one row that is masked.
_POST_LENGTH = Axis("n_tokens", (N_TOKENS, 4 * N_TOKENS, MAX_PARTS * MAX_FUSED_ROWS * N_TOKENS))
_TOKENS = TensorSpec("tokens", "FP32", (N_TOKENS, D_TOKEN))
_LOGITS = TensorSpec("logits", "FP32", (len(LABELS),))

TEXT_ENCODER = encoder_spec(
    "text_encoder",
    (TensorSpec("input_ids", "INT64", (_LENGTH,)), TensorSpec("attention_mask", "INT64", (_LENGTH,))),
    TensorSpec("token_scores", "FP32", (len(LABELS), _LENGTH)),
)
IMAGE_ENCODER = encoder_spec(
    "image_encoder",
    (TensorSpec("pixels", "UINT8", (3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)),),
    TensorSpec("heatmap", "FP32", (len(LABELS), HEATMAP_CELLS, HEATMAP_CELLS)),
)
AUDIO_ENCODER = encoder_spec(
    "audio_encoder",
    (TensorSpec("log_mel", "FP32", (N_MELS, N_FRAMES)),),
    TensorSpec("frame_scores", "FP32", (len(LABELS), N_SCORED_FRAMES)),
)
FUSION = ModelSpec(
    "fusion",
    (
        TensorSpec("tokens", "FP32", (_POST_LENGTH, D_TOKEN)),
        TensorSpec("mask", "BOOL", (_POST_LENGTH,)),
        TensorSpec("kind", "INT64", (_POST_LENGTH,)),
    ),
    (_LOGITS, TensorSpec("severity", "FP32", (len(LABELS),))),
    max_rows=64,
    max_cells=4096,
    n_requests=1,
)
MODELS = (TEXT_ENCODER, IMAGE_ENCODER, AUDIO_ENCODER, FUSION)
"""In the order of `MODEL_NAMES`."""
SPECS: dict[ModelName, ModelSpec] = dict(zip(MODEL_NAMES, MODELS, strict=True))
"""By name."""
