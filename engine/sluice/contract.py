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
MAX_PARTS = 1 + 2 * MAX_IMAGES + 2 * MAX_AUDIO
"""Of one post: its text, its images with the text in each, and its clips with the speech in each."""

PAGE_PIXELS = 1_048_576
"""Of a page in which text is looked for, at most."""
MIN_PAGE_PX, USUAL_PAGE_PX = 12, 640
"""Of a page's sides: there is no room for a word in less than the first."""
PAGES_TOGETHER = 1
"""Of one request: pages differ in size, and what is read in one does not depend on another."""
READING_REQUESTS = 2
"""On the way at once: a page full of text takes a second, and whoever asks whether a model answers waits behind it."""
ALL_PAGES_PIXELS = 4 * PAGE_PIXELS
"""Of all pages of one picture: long strips and animations have several."""
MAX_LINES = 64
"""Of text in one page."""
LINES_TOGETHER = 8
"""Of one request to the recogniser: a page full of text must not hold up other posts' pictures."""
MAX_LINE_BYTES = 512
"""Of one line in UTF-8."""


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


REQUEST_COST_PARAMETER, CELL_COST_PARAMETER = "request_us", "cell_us"
"""Of a model's configuration in Triton: microseconds that a request takes by itself, and for each cell of its rows."""

LANGUAGES_PARAMETER = "languages"
"""Of the text encoder's configuration in Triton: codes of the languages it was measured on, separated by commas. Of the
first stage's: as ``code:suspicion``, the suspicion below which a text in that language is plainly benign."""
THRESHOLDS_PARAMETER = "thresholds"
"""Of the first stage's configuration: the scores from which on a post counted as found when it was measured, as
``label:score`` separated by commas. It says nothing about what a policy with lower ones would have found."""

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
        Most rows times padded length in one request, where rows differ in length; bounds the memory of attention.
    n_requests : int
        Requests on the way at once, at most. Few for a quick model: each costs more than its rows, and what waits makes
        the next one fuller.
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

_PAGE_SIDES = (MIN_PAGE_PX, USUAL_PAGE_PX, PAGE_PIXELS // MIN_PAGE_PX)
_CORNERS = (4, 2)
_PAGE = TensorSpec("page", "UINT8", (Axis("height", _PAGE_SIDES), Axis("width", _PAGE_SIDES), 3))

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
FIRST_STAGE = ModelSpec(
    "first_stage",
    TEXT_ENCODER.inputs,
    (_LOGITS, TensorSpec("suspicion", "FP32", (1,))),
    max_rows=64,
    n_requests=1,
)
"""Reads a text before the text encoder does, in a small part of its time: what it expects the fusion to say, and the
log odds that anything reaches a threshold, its ``suspicion``. A repository may lack it: then every text goes through
all models."""
OCR_DETECTOR = ModelSpec(
    "ocr_detector",
    (_PAGE,),
    (
        TensorSpec("corners", "FP32", (MAX_LINES, *_CORNERS)),
        TensorSpec("certainty", "FP32", (MAX_LINES,)),
        TensorSpec("n_lines", "INT64", (1,)),
    ),
    max_rows=PAGES_TOGETHER,
    n_requests=READING_REQUESTS,
)
"""Finds lines of text in a page: their corners (left top, then clockwise) as shares of the page, how certain it is that
each is one (0 behind the last), and how many there are, which may be more than `MAX_LINES`."""
OCR_RECOGNISER = ModelSpec(
    "ocr_recogniser",
    (_PAGE, TensorSpec("corners", "FP32", (LINES_TOGETHER, *_CORNERS))),
    (
        TensorSpec("letters", "UINT8", (LINES_TOGETHER, MAX_LINE_BYTES)),
        TensorSpec("certainty", "FP32", (LINES_TOGETHER,)),
    ),
    max_rows=PAGES_TOGETHER,
    n_requests=READING_REQUESTS,
)
"""Reads lines of a page: each in UTF-8, zeros behind, and how certain it is. Corners that are all zero are no line."""
OCR_MODELS = (OCR_DETECTOR, OCR_RECOGNISER)
"""Not ours, and a repository may lack them: then text in pictures is not read."""

SPECS: dict[ModelName, ModelSpec] = dict(zip(MODEL_NAMES, MODELS, strict=True))
"""By name."""
