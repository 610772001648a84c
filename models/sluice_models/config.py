"""Hyper-parameters: one YAML file per model, read into frozen structs; and where files lie."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import yaml

from sluice.contract import D_TOKEN as D_TOKEN
from sluice.contract import FIRST_STAGE, SPECS, ModelSpec
from sluice.contract import MODEL_NAMES as MODEL_NAMES
from sluice.contract import N_TOKENS as N_TOKENS
from sluice.contract import ModelName as ModelName
from sluice.errors import SettingsError
from sluice.resources import packaged_file, text_file, triton_repository

RUNS = Path("runs")
"""Checkpoints and logs, in the folder where a command is started."""
TRITON_REPO = triton_repository()
TOKENIZER_FILE = text_file("tokenizer.json")
LANGUAGES_FILE = Path("text_encoder") / "languages.json"
"""Beside the text encoder: which languages it was measured on belongs to its weights."""
MEASURED_FILE = Path("first_stage") / "measured.json"
"""Beside the first stage: what it was measured on belongs to its weights."""
FirstStageName = Literal["first_stage"]
TrainedName = ModelName | FirstStageName
TRAINED_SPECS: dict[TrainedName, ModelSpec] = dict([*SPECS.items(), ("first_stage", FIRST_STAGE)])
"""What is trained here: the models that every post may need, and the first stage, which a repository may lack."""


class TextNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of the text encoder: those of multilingual-e5-small, of whose layers the lowest `n_layers` are kept."""

    d_hidden: int = 384
    d_inner: int = 1536
    n_layers: int = 5
    n_heads: int = 12
    n_positions: int = 512
    dropout: float = 0.0


class ImageNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Channels of a MobileNet V2: of its stem, of its seven groups of blocks, and of the planes that it ends in."""

    stem: int
    channels: tuple[int, int, int, int, int, int, int]
    n_planes: int


class ResidualNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Channels after each halving of the 160 x 160 pixels: the last stage has 10 x 10 cells."""

    channels: tuple[int, int, int, int]


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


class FirstStageNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of the first stage: of a word's row, and of the convolutions over these.

    In training `word_dropout` of the words are left out.
    """

    d_word: int = 64
    d_hidden: int = 128
    n_layers: int = 3
    dropout: float = 0.1
    word_dropout: float = 0.0


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


class TextShares(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a chunk of texts, the shares that are of our own making; the rest are rows of the bundle.

    Attributes
    ----------
    multilingual : float
        Sentences out of `recipes/text/multilingual/`.
    twins : float
        Draws of a sentence with two identities; those without a place for one give nothing.
    templates : float
        English and Chinese sentences out of `recipes/text/sentences/`.
    lexicon : float
        Sentences around terms of the bundle's dictionary.
    reported : float
        Harmful sentences that somebody reports.
    composed : float
        Posts of several sentences.
    """

    multilingual: float
    twins: float
    templates: float
    lexicon: float
    reported: float
    composed: float


class Composition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How posts are composed of sentences.

    Attributes
    ----------
    harmful_share : float
        Of the posts, those around one harmful sentence.
    counts : tuple of (int, int, float)
        Harmless sentences around: from, to, and how often.
    """

    harmful_share: float
    counts: tuple[tuple[int, int, float], ...]


class TextRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which texts training sees, and how they are cut and weighed.

    Attributes
    ----------
    chunk_rows : int
        Texts that are mixed and put into batches together.
    noisy_share : float
        Of the texts that are neither composed nor twins, those that are written roughly.
    max_rows : dict of str to int
        At most so many rows of a source are seen per pass, and so many more with rare harms; others are seen whole.
    max_pieces, max_long_pieces, long_share : int, int, float
        Longest row in word pieces; that of composed posts and of a share of the others.
    batch_pieces, batch_rows : int
        Of a batch at most, padding included.
    weak_zeros : tuple of str
        Labels that count as 0 where a row does not say.
    weak_weight, weak_weight_beside_abuse : float
        Their weight; and that of abusive labels where a row is abusive in another way.
    max_positive_weight : float
        As in `Training`.
    source_weights : dict of str to float
        Of sources whose labels are noisy; 1 for all others.
    """

    chunk_rows: int
    shares: TextShares
    composed: Composition
    noisy_share: float
    max_rows: dict[str, int]
    max_pieces: int
    max_long_pieces: int
    long_share: float
    batch_pieces: int
    batch_rows: int
    weak_zeros: tuple[str, ...]
    weak_weight: float
    weak_weight_beside_abuse: float
    max_positive_weight: float
    source_weights: dict[str, float]


class TextConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`text_encoder.yaml`."""

    network: TextNetwork
    training: Training
    rows: TextRecipe


class ImageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`image_encoder.yaml`: an adopted tower, `network`, trained as it says, and the tower of our `own`.

    Each picture is seen `n_varieties` times, once as it is.
    """

    network: ImageNetwork
    own: ResidualNetwork
    n_varieties: int
    training: Training


class AudioConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`audio_encoder.yaml`."""

    network: AudioNetwork
    training: Training


class FusionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`fusion.yaml`."""

    network: FusionNetwork
    training: Training


class Lessons(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which texts the other models read to the first stage.

    Attributes
    ----------
    per_source : int
        Of a source in one language at most so many, and as many with rare harms.
    n_drawn : int
        Sentences of our own, harmful and harmless.
    n_rough : int
        Of both kinds, those that are seen once more as people write who hide from filters.
    """

    per_source: int
    n_drawn: int
    n_rough: int


class FirstStageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`first_stage.yaml`."""

    network: FirstStageNetwork
    training: Training
    lessons: Lessons


ConfigT = TypeVar("ConfigT", TextConfig, ImageConfig, AudioConfig, FusionConfig, FirstStageConfig)


def load_config(name: TrainedName, kind: type[ConfigT]) -> ConfigT:
    """Read ``models/<name>.yaml``; raises `SettingsError` naming the file and the mistake."""
    file = packaged_file("sluice_models", f"{name}.yaml")
    try:
        return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), kind)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise SettingsError(f"{file.name}: {error}") from error


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`MEASURED_FILE`: what a first stage was measured on.

    Attributes
    ----------
    stands_for : str
        `digest_models` of the repository that it learned from.
    languages : dict of str to float
        By code of the languages that it may clear texts in, the suspicion below which it does.
    thresholds : dict of str to float
        Scores from which on a post counted as found, by label.
    """

    stands_for: str
    languages: dict[str, float]
    thresholds: dict[str, float]


def read_measured(repository: Path) -> Measured | None:
    """What the repository's first stage was measured on; None where it has no first stage."""
    file = repository / MEASURED_FILE
    return msgspec.json.decode(file.read_bytes(), type=Measured) if file.is_file() else None


def digest_models(repository: Path) -> str:
    """16 digits for the text encoder and the fusion that are in a repository; raises `OSError` if one is not."""
    digest = hashlib.sha256()
    for name in ("text_encoder", "fusion"):
        digest.update((repository / name / "1" / "model.onnx").read_bytes())
    return digest.hexdigest()[:16]


def read_languages(repository: Path) -> tuple[str, ...]:
    """Codes of the languages that the text encoder was measured on, from the file beside it; else from ours."""
    own = repository / LANGUAGES_FILE
    return msgspec.json.decode(
        (own if own.is_file() else TRITON_REPO / LANGUAGES_FILE).read_bytes(), type=tuple[str, ...]
    )
