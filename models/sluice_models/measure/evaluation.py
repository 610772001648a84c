"""Everything that is measured about the trained models, in one struct."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from rich.console import Console

from sluice.errors import SettingsError
from sluice.resources import default_policy
from sluice.schema import LABELS
from sluice_models.config import TRITON_REPO, TextConfig, load_config
from sluice_models.data.bundle import Example, Split, read_texts
from sluice_models.measure.bias import LABEL, BiasReport, find_any_member, measure_bias
from sluice_models.measure.candidates import CandidateReport, compare_candidates
from sluice_models.measure.counterfactuals import SwapReport, measure_counterfactuals
from sluice_models.measure.folds import FIGURES, read_figures
from sluice_models.measure.functional import FunctionalReport, measure_functions
from sluice_models.measure.half_check import check_half_pictures, check_half_sounds, check_half_texts
from sluice_models.measure.headlines import Headline, measure_headlines
from sluice_models.measure.label_figures import LabelReport, Scored, report_part, score_split
from sluice_models.measure.mixtures import MixtureReport, measure_mixtures
from sluice_models.measure.obfuscation import Robustness, measure_robustness
from sluice_models.measure.origins import Origin, count_origins
from sluice_models.measure.pair_figures import PairReport, measure_pairs
from sluice_models.measure.precision import PrecisionReport
from sluice_models.measure.quantisation_check import check_quantisation
from sluice_models.measure.rationales import EvidenceReport, measure_faithfulness, measure_spans
from sluice_models.measure.score_media import MediaScorer
from sluice_models.measure.score_texts import TextScorer
from sluice_models.measure.serving_cost import CostReport, measure_costs
from sluice_models.measure.source_figures import SourceReport
from sluice_models.measure.unseen import FalseAlarms, Limits, measure_unused_media, measure_unused_texts
from sluice_models.networks.audio import AudioEncoder
from sluice_models.networks.fusion import Fusion
from sluice_models.networks.image import ImageEncoder
from sluice_models.networks.text import TextEncoder
from sluice_models.training import checkpoint
from sluice_models.training.bundle_encoding import encode_split
from sluice_models.training.train_fusion import load_encoders

POLICY_FILE = default_policy()
N_TEXTS = 12_000
"""At most so many texts are gone through for evidence, bias and robustness."""
N_OBFUSCATED = 800
"""Texts per language that every trick is tried on."""
N_BACKGROUND = 600
"""English texts that name no identity, for comparison."""
N_EXPLAINED = 60
"""Texts that are taken apart for comprehensiveness and sufficiency."""
N_EXPLAINABLE = 600
"""Texts among which those are looked for."""


@dataclass(frozen=True)
class Evaluation:
    """Reports in the order in which they are printed; `left_out` is empty where no fold has been run."""

    split: str
    headlines: tuple[Headline, ...]
    labels: tuple[LabelReport, ...]
    candidates: tuple[CandidateReport, ...]
    left_out: tuple[SourceReport, ...]
    unseen: tuple[SourceReport, ...]
    alarms: tuple[FalseAlarms, ...]
    mixtures: tuple[MixtureReport, ...]
    pairs: tuple[PairReport, ...]
    evidence: tuple[EvidenceReport, ...]
    bias: tuple[BiasReport, ...]
    swaps: tuple[SwapReport, ...]
    robustness: tuple[Robustness, ...]
    functional: tuple[FunctionalReport, ...]
    precision: tuple[PrecisionReport, ...]
    costs: tuple[CostReport, ...]
    origins: tuple[Origin, ...]


@dataclass(frozen=True)
class Models:
    """The four trained models."""

    text: TextEncoder
    image: ImageEncoder
    audio: AudioEncoder
    fusion: Fusion


class Steps:
    """Says what is measured next, and how long the whole has taken so far."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start_s = time.monotonic()

    def say(self, what: str) -> None:
        """One line."""
        self._console.print(f"{time.monotonic() - self._start_s:4.0f} s  {what}")


def load_models(runs: Path) -> Models:
    """All four; raises `SettingsError` if one is missing."""
    match (*load_encoders(runs), checkpoint.load("fusion", runs)):
        case (TextEncoder() as text, ImageEncoder() as image, AudioEncoder() as audio, Fusion() as fusion):
            return Models(text, image, audio, fusion)
    raise SettingsError(f"{runs} does not hold the four models")


def evaluate_all(
    bundle: Path, runs: Path, split: Split, console: Console, n_obfuscated: int = N_OBFUSCATED
) -> tuple[Evaluation, list[Scored]]:
    """Measure everything; raises `SettingsError` if bundle, checkpoints or policy are missing."""
    models, limits, steps = load_models(runs), read_limits(POLICY_FILE), Steps(console)
    sampling = load_config("text_encoder", TextConfig).rows
    steps.say(f"encoding the {split} split")
    parts = encode_split(
        [models.text, models.image, models.audio],
        bundle,
        split,
        sampling,
        runs,
    )
    scored = score_split(models.fusion, parts)
    steps.say("figures per label and source")
    labels = tuple(report for each in scored for report in report_part(each, limits.review))
    scorer, examples = TextScorer(models.text, models.fusion), read_texts(bundle, split)
    examples = examples[:: -(-len(examples) // N_TEXTS) or 1]
    steps.say("candidates for reading texts")
    candidates = tuple(compare_candidates(models.text, examples, sampling, runs))
    steps.say("sources that are never trained on")
    unseen, alarms = _measure_unused(models, bundle, examples, limits)
    steps.say("mixtures of sounds, and posts whose meaning needs two parts")
    mixtures = tuple(measure_mixtures(models.audio, bundle))
    pairs = tuple(measure_pairs(models.fusion, models.text, parts, sampling))
    steps.say("evidence")
    evidence = _measure_evidence(scorer, examples)
    steps.say("bias")
    bias, swaps = _measure_bias(scorer, examples), tuple(measure_counterfactuals(scorer, limits.review))
    steps.say("obfuscation")
    robustness = tuple(measure_robustness(scorer, examples, n_obfuscated))
    steps.say("functional tests")
    headlines = tuple(measure_headlines(scorer, examples, scored[0], limits.review))
    functional = tuple(measure_functions(scorer, limits.review))
    steps.say("eight bits, half precision, latency")
    precision = (
        *check_quantisation(TRITON_REPO / "text_encoder" / "1" / "model.onnx", examples),
        *check_half_texts(models.text, examples, sampling),
        *check_half_pictures(models.image, bundle, split, runs),
        *check_half_sounds(models.audio, bundle, split),
    )
    costs, origins = tuple(measure_costs(TRITON_REPO)), tuple(count_origins(bundle))
    steps.say("done")
    return Evaluation(
        split=split,
        headlines=headlines,
        labels=labels,
        candidates=candidates,
        left_out=tuple(read_figures(FIGURES)),
        unseen=unseen,
        alarms=alarms,
        mixtures=mixtures,
        pairs=pairs,
        evidence=evidence,
        bias=bias,
        swaps=swaps,
        robustness=robustness,
        functional=functional,
        precision=precision,
        costs=costs,
        origins=origins,
    ), scored


def _measure_unused(
    models: Models, bundle: Path, examples: Sequence[Example], limits: Limits
) -> tuple[tuple[SourceReport, ...], tuple[FalseAlarms, ...]]:
    """Texts, images and clips under non-commercial terms."""
    found = [
        measure_unused_texts(TextScorer(models.text, models.fusion), bundle, examples, limits),
        measure_unused_media(MediaScorer(models.image, models.fusion), bundle, "images", limits),
        measure_unused_media(MediaScorer(models.audio, models.fusion), bundle, "audio", limits),
    ]
    return tuple(row for rows, _ in found for row in rows), tuple(row for _, rows in found for row in rows)


def _measure_evidence(scorer: TextScorer, examples: list[Example]) -> tuple[EvidenceReport, ...]:
    every = max(1, len(examples) // N_EXPLAINABLE)
    texts = [example.text or "" for example in examples[::every] if example.lang == "en"]
    return (*measure_spans(scorer, examples), *measure_faithfulness(scorer, texts, N_EXPLAINED))


def _measure_bias(scorer: TextScorer, examples: list[Example]) -> tuple[BiasReport, ...]:
    """Only rows that name an identity, and as many others at most, are scored again."""
    index = LABELS.index(LABEL)
    english = [row for row in examples if row.lang == "en" and not np.isnan(row.targets[index])]
    named = find_any_member([row.text or "" for row in english])
    others = [row for row, member in zip(english, named, strict=True) if not member]
    sample = random.Random(0).sample(others, min(len(others), N_BACKGROUND))
    rows = [row for row, member in zip(english, named, strict=True) if member] + sample
    return tuple(measure_bias(rows, scorer.score([row.text or "" for row in rows])[:, index]))


def read_limits(policy: Path) -> Limits:
    """Scores from which the shipped policy asks for a review, and blocks, by label."""
    try:
        labels = yaml.safe_load(policy.read_text("utf-8"))["labels"]
        sides = (
            {label: float(limits[side]) for label, limits in labels.items() if side in limits}
            for side in ("review", "block")
        )
        return Limits(*sides)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{policy}: {error}") from error
