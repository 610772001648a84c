"""Everything that is measured about the trained models, in one struct."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml
from rich.console import Console

from engine.errors import SettingsError
from engine.schema import LABELS
from models import checkpoint
from models.bias import LABEL, BiasReport, find_any_member, measure_bias
from models.bundle import Example, Split, read_media, read_texts
from models.config import ROOT, TRITON_REPO, TextConfig, load_config
from models.encode import Encoded, encode_split
from models.encoders import TextEncoder
from models.functional import FunctionalReport, measure_functions
from models.fusion import Fusion
from models.label_figures import LabelReport, Scored, report_part, score_split
from models.obfuscation import Robustness, measure_robustness
from models.origins import Origin, count_origins
from models.rationales import EvidenceReport, measure_faithfulness, measure_spans
from models.score_texts import TextScorer
from models.serving_cost import CostReport, measure_costs
from models.train_fusion import load_encoders

POLICY_FILE = ROOT / "ops" / "policies" / "default.yaml"
N_TEXTS = 12_000
"""At most so many texts are gone through for evidence, bias and robustness."""
N_OBFUSCATED = 400
"""Texts per language that every trick is tried on."""
N_BACKGROUND = 600
"""English texts that name no identity, for comparison."""
N_EXPLAINED = 60
"""Texts that are taken apart for comprehensiveness and sufficiency."""
N_EXPLAINABLE = 600
"""Texts among which those are looked for."""


@dataclass(frozen=True)
class Evaluation:
    """Reports in the order in which they are printed."""

    split: str
    labels: tuple[LabelReport, ...]
    evidence: tuple[EvidenceReport, ...]
    bias: tuple[BiasReport, ...]
    robustness: tuple[Robustness, ...]
    functional: tuple[FunctionalReport, ...]
    costs: tuple[CostReport, ...]
    origins: tuple[Origin, ...]


def evaluate_all(bundle: Path, runs: Path, split: Split, console: Console) -> tuple[Evaluation, list[Scored]]:
    """Measure everything; raises `SettingsError` if bundle, checkpoints or policy are missing."""
    fusion = checkpoint.load("fusion", runs)
    encoders = load_encoders(runs)
    if not isinstance(fusion, Fusion) or not isinstance(encoders[0], TextEncoder):
        raise SettingsError(f"{runs} does not hold the four models")
    thresholds = read_thresholds(POLICY_FILE)
    console.print(f"encoding the {split} split")
    parts = encode_split(encoders, bundle, split, load_config("text_encoder", TextConfig).training, runs)
    scored = score_split(fusion, [parts[0], *name_sources(parts[1:], bundle, split)])
    console.print("figures per label and source")
    labels = tuple(report for each in scored for report in report_part(each, thresholds))
    scorer, examples = TextScorer(encoders[0], fusion), read_texts(bundle, split)
    examples = examples[:: -(-len(examples) // N_TEXTS) or 1]
    console.print("evidence")
    evidence = _measure_evidence(scorer, examples)
    console.print("bias")
    bias = _measure_bias(scorer, examples)
    console.print("robustness")
    robustness = tuple(measure_robustness(scorer, examples, N_OBFUSCATED))
    console.print("functional tests, latency, sources")
    return Evaluation(
        split=split,
        labels=labels,
        evidence=evidence,
        bias=bias,
        robustness=robustness,
        functional=tuple(measure_functions(scorer, thresholds)),
        costs=tuple(measure_costs(TRITON_REPO)),
        origins=tuple(count_origins(bundle)),
    ), scored


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


def name_sources(parts: list[Encoded], bundle: Path, split: Split) -> list[Encoded]:
    """Images and clips with the data sets they come from; what follows them was made by ourselves."""
    if split == "train":
        return parts  # varied and composed: rows have no one source
    images, clips = read_media(bundle, "images", split), read_media(bundle, "audio", split)
    named = []
    for part, rows in zip(parts, (images, clips), strict=True):
        sources = [row.source for row in rows]
        named.append(replace(part, sources=sources + ["made by us"] * (len(part.targets) - len(sources))))
    return named


def read_thresholds(policy: Path) -> dict[str, float]:
    """Scores from which the shipped policy asks for a review, by label."""
    try:
        labels = yaml.safe_load(policy.read_text("utf-8"))["labels"]
        return {label: float(limits["review"]) for label, limits in labels.items() if "review" in limits}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{policy}: {error}") from error
