"""Hyper-parameters: one YAML file per model, read into frozen structs; and where files lie."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from sluice.contract import D_TOKEN as D_TOKEN
from sluice.contract import MODEL_NAMES as MODEL_NAMES
from sluice.contract import N_TOKENS as N_TOKENS
from sluice.contract import ModelName as ModelName
from sluice.errors import SettingsError
from sluice.resources import packaged_file, text_file, triton_repository

RUNS = Path("runs")
"""Checkpoints and logs, in the folder where a command is started."""
TRITON_REPO = triton_repository()
TOKENIZER_FILE = text_file("tokenizer.json")
BYTE_FILE = text_file("bytes.json")


class WordNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of the tower that reads word pieces: those of all-MiniLM-L6-v2."""

    d_hidden: int = 384
    d_inner: int = 1536
    n_layers: int = 6
    n_heads: int = 12
    n_positions: int = 512


class ByteNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of the tower that reads byte pieces."""

    d_hidden: int = 256
    d_inner: int = 1024
    n_layers: int = 5
    n_heads: int = 4
    n_positions: int = 192


class TextNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of the text encoder's two towers."""

    words: WordNetwork
    bytes: ByteNetwork


class ImageNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Channels after each halving of the 160 x 160 pixels: the last stage has 10 x 10 cells.

    `n_kinds` is the room for kinds of objects that training tells apart.
    """

    channels: tuple[int, int, int, int] = (24, 48, 96, 256)
    n_kinds: int = 160


class AudioNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Channels of the four stages over the log-mel, the last of 4 bands x 50 frames, and heads of the pooling."""

    channels: tuple[int, int, int, int] = (24, 48, 96, 128)
    n_heads: int = 4


class FusionNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of the fusion transformer."""

    n_layers: int = 1
    n_heads: int = 4
    d_inner: int = 512
    dropout: float = 0.1


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one model is trained.

    Attributes
    ----------
    n_steps : int
        Batches; the learning rate follows the share of them that is done. The same seed gives the same weights.
    n_batch : int
        Rows per step.
    learning_rate, fresh_learning_rate : float
        Peak rates of Adam for weights with a history and for those that start from nothing.
    weight_decay : float
    warm_up : float
        Share of the budget over which the rate rises.
    max_positive_weight : float
        Upper limit of the weight that a rare label's positives get in the loss.
    """

    n_steps: int
    n_batch: int
    learning_rate: float
    fresh_learning_rate: float
    weight_decay: float = 0.01
    warm_up: float = 0.05
    max_positive_weight: float = 4.0


class TextSampling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which texts a pass of training sees.

    Attributes
    ----------
    max_rows : dict of str to int
        At most so many rows of a source are seen per pass; other sources are seen whole.
    max_tokens, max_byte_tokens : int
        Longest row in word pieces and in byte pieces.
    weak_zeros : tuple of str
        Labels that count as 0 where a row does not say, with weight `weak_weight`.
    max_positive_weight : float
        As in `Training`.
    n_templates : int
        Rows filled from templates.
    n_lexicon : int
        Sentences around terms of the bundle's dictionary.
    """

    max_rows: dict[str, int]
    max_tokens: int
    max_byte_tokens: int
    weak_zeros: tuple[str, ...]
    weak_weight: float
    max_positive_weight: float
    n_templates: int
    n_lexicon: int


class TextConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`text_encoder.yaml`: the stages in their order are `words` beside `language` and `bytes`, then `training`."""

    network: TextNetwork
    training: Training
    words: Training
    bytes: Training
    language: Training
    rows: TextSampling


class ImageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`image_encoder.yaml`; `finish` goes on from `training`, at full size and with more look-alikes."""

    network: ImageNetwork
    training: Training
    finish: Training


class AudioConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`audio_encoder.yaml`."""

    network: AudioNetwork
    training: Training


class FusionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`fusion.yaml`."""

    network: FusionNetwork
    training: Training


ConfigT = TypeVar("ConfigT", TextConfig, ImageConfig, AudioConfig, FusionConfig)


def load_config(name: ModelName, kind: type[ConfigT]) -> ConfigT:
    """Read ``models/<name>.yaml``; raises `SettingsError` naming the file and the mistake."""
    file = packaged_file("sluice_models", f"{name}.yaml")
    try:
        return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), kind)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise SettingsError(f"{file.name}: {error}") from error
