"""What the reports share: models, the split's rows and their scores, each made when the first report asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sluice.resources import default_policy
from sluice.schema import ModalityName
from sluice.verdict.documents import load_policy
from sluice.verdict.policy import Limits, Policy, limits_of
from sluice_models.config import TextConfig, TextRecipe, load_config
from sluice_models.data.bundle import Example, Split, read_texts
from sluice_models.measure.score_media import MediaScorer
from sluice_models.measure.score_texts import TextScorer
from sluice_models.measure.scored_split import Scored, score_split
from sluice_models.measure.unused_rows import ScoredRows, score_unused_media, score_unused_texts
from sluice_models.networks.fusion import Fusion
from sluice_models.recipes.fusion.encoded import Encoded
from sluice_models.training.bundle_encoding import MAX_PER_SOURCE, encode_split, sample_sources
from sluice_models.training.checkpoint import Encoder
from sluice_models.training.onnx_fusion import find_fusion
from sluice_models.training.train_fusion import load_encoders

N_TEXTS = 20_000
"""Texts of the split that the reports go through at most, evenly spread."""
N_OBFUSCATED = 400
"""Texts per language that every trick is tried on."""


@dataclass(frozen=True)
class Models:
    """The fusion, and the encoders that were trained or are shipped."""

    text: Encoder
    image: Encoder
    audio: Encoder
    fusion: Fusion


@dataclass(frozen=True)
class DecisionThresholds:
    """Scores from which a policy asks for a review, and blocks, by label; a label that is missing never does."""

    review: Mapping[str, float]
    block: Mapping[str, float]


def thresholds_of(policy: Policy, modality: ModalityName = "text") -> DecisionThresholds:
    """A policy's thresholds by decision instead of by label, for posts of one kind of part."""
    limits = {label: limits_of(policy, label, modality == "image") or Limits() for label in policy.labels}
    review = {label: own.review for label, own in limits.items() if own.review is not None}
    block = {label: own.block for label, own in limits.items() if own.block is not None}
    return DecisionThresholds(review, block)


def shipped_thresholds() -> DecisionThresholds:
    """Those of the shipped policy, but for pictures; raises `PolicyError` if it cannot be read."""
    return thresholds_of(load_policy(default_policy()))


def load_models(runs: Path) -> Models:
    """All four, as they are shipped where `runs` has none; raises `EncoderFileError` if one is in neither place."""
    text, image, audio = load_encoders(runs)
    return Models(text, image, audio, find_fusion(runs))


@dataclass
class EvaluationContext:
    """One evaluation's inputs. Reading a property may raise `SettingsError`: bundle or checkpoints are missing.

    Attributes
    ----------
    n_obfuscated : int
        Texts per language that every trick is tried on.
    """

    bundle: Path
    runs: Path
    split: Split
    n_obfuscated: int = N_OBFUSCATED

    @cached_property
    def models(self) -> Models:
        """All four."""
        return load_models(self.runs)

    @cached_property
    def policy(self) -> Policy:
        """The shipped one; raises `PolicyError` if it cannot be read."""
        return load_policy(default_policy())

    @property
    def thresholds(self) -> DecisionThresholds:
        """The shipped policy's, but for pictures."""
        return thresholds_of(self.policy)

    @cached_property
    def recipe(self) -> TextRecipe:
        """How texts are weighed."""
        return load_config("text_encoder", TextConfig).rows

    @cached_property
    def parts(self) -> list[Encoded]:
        """The split's rows through their encoders, in the order of `MODALITIES`."""
        encoders = [self.models.text, self.models.image, self.models.audio]
        return encode_split(encoders, self.bundle, self.split, self.recipe, self.runs)

    @cached_property
    def scored(self) -> list[Scored]:
        """The same through the fusion."""
        return score_split(self.models.fusion, self.parts)

    @cached_property
    def texts(self) -> TextScorer:
        """Scores any text as served."""
        return TextScorer(self.models.text, self.models.fusion)

    @cached_property
    def examples(self) -> list[Example]:
        """At most `N_TEXTS` texts of the split, of each source and language as many as of any other."""
        examples = sample_sources(read_texts(self.bundle, self.split), MAX_PER_SOURCE)
        return examples[:: -(-len(examples) // N_TEXTS) or 1]

    @cached_property
    def unused(self) -> list[ScoredRows]:
        """Scored texts, images and clips under non-commercial terms, which are never trained on."""
        image = MediaScorer("image", self.models.image, self.models.fusion)
        audio = MediaScorer("audio", self.models.audio, self.models.fusion)
        found = [
            score_unused_texts(self.texts, self.bundle, self.examples),
            score_unused_media(image, self.bundle, "images"),
            score_unused_media(audio, self.bundle, "audio"),
        ]
        return [rows for rows in found if rows is not None]
