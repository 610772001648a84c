"""Functional tests in the manner of HateCheck (Röttger et al. 2021): what a family of plain sentences must lead to."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import yaml

from engine.schema import LABELS
from models.intervals import Figure, Floats
from models.rationales import find_mean
from models.score_texts import TextScorer

_SLOT = re.compile(r"\{(\w+)\}")


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences of which one of `labels`, or nothing at all, must reach review."""

    name: str
    labels: tuple[str, ...]
    sentences: tuple[str, ...]


class FunctionalTests(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`functional.yaml`."""

    slots: dict[str, tuple[str, ...]]
    families: tuple[Family, ...]


@dataclass(frozen=True)
class FunctionalReport:
    """Share of a family's `n_rows` sentences with the right outcome."""

    family: str
    harmful: bool
    n_rows: int
    accuracy: Figure


def load_tests() -> FunctionalTests:
    """Read ``models/functional.yaml``."""
    file = Path(__file__).with_suffix(".yaml")
    return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), FunctionalTests)


def fill_family(family: Family, slots: Mapping[str, Sequence[str]]) -> list[str]:
    """Every sentence with every filling of its slots."""
    return [filled for sentence in family.sentences for filled in _fill(sentence, slots)]


def _fill(sentence: str, slots: Mapping[str, Sequence[str]]) -> list[str]:
    names = list(dict.fromkeys(_SLOT.findall(sentence)))
    choices = [dict(zip(names, words, strict=True)) for words in itertools.product(*(slots[name] for name in names))]
    return [_SLOT.sub(lambda slot, words=words: words[slot[1]], sentence) for words in choices]  # type: ignore[misc]


def judge(probabilities: Floats, labels: Sequence[str], thresholds: Mapping[str, float]) -> Floats:
    """1 for each row that came out right, shape = (n,): one of `labels`, or with none nothing, reaches review."""
    limits = np.array([thresholds.get(label, np.inf) for label in LABELS])
    reached = probabilities >= limits
    wanted = reached[:, [LABELS.index(label) for label in labels]].any(axis=1) if labels else ~reached.any(axis=1)
    return np.asarray(wanted, np.float32)


def measure_functions(scorer: TextScorer, thresholds: Mapping[str, float]) -> list[FunctionalReport]:
    """Accuracy per family, then of all harmful and of all harmless families (mean over families)."""
    tests = load_tests()
    reports = []
    outcomes: dict[bool, list[Floats]] = {True: [], False: []}
    for family in tests.families:
        right = judge(scorer.score(fill_family(family, tests.slots)), family.labels, thresholds)
        outcomes[bool(family.labels)].append(right)
        reports.append(FunctionalReport(family.name, bool(family.labels), len(right), find_mean(right)))
    for harmful, name in ((True, "all harmful (mean over families)"), (False, "all harmless (mean over families)")):
        means = np.array([right.mean() for right in outcomes[harmful]], np.float32)
        n_rows = sum(map(len, outcomes[harmful]))
        reports.append(FunctionalReport(name, harmful, n_rows, find_mean(means)))
    return reports
