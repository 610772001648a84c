"""Functional tests in the manner of HateCheck (Röttger et al. 2021): what a family of plain sentences must lead to.

The sentences are those of `functional.yaml`, and the templates of `sentences/` that training holds out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import yaml

from sluice.intervals import Figure, Floats
from sluice.resources import packaged_file
from sluice.schema import LABELS
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.rationales import find_mean
from sluice_models.measure.report import Columns, Evaluation, Report, Table
from sluice_models.measure.score_texts import TextScorer
from sluice_models.measure.scores import find_reached
from sluice_models.recipes.text.templates import fill_templates

OWN, TEMPLATES = "functional tests", "templates held out"
OVER_FAMILIES = "(mean over families)"
HATE = "hate"
N_FILLED, FILLING_SEED = 1_800, 2026
"""Fillings of the sentences that are held out from training, over all families."""
ABOUT_GROUPS = ("groups", "identity", "negation", "counter-speech", "quotation", "pride")
"""Words in the names of harmless families that speak of groups of people."""
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
class FunctionalRow:
    """Share of a family's `n_rows` sentences with the right outcome; `suite` says where the sentences are from."""

    suite: str
    family: str
    harmful: bool
    n_rows: int
    accuracy: Figure


@dataclass(frozen=True)
class FamilyOutcomes:
    """A family's outcomes, shape = (n,): 1 where what should reach review does, or nothing where nothing should.

    `by_hate` is the same if only hate counts.
    """

    name: str
    labels: tuple[str, ...]
    right: Floats
    by_hate: Floats


def load_tests() -> FunctionalTests:
    """Read ``models/sluice_models/measure/functional.yaml``."""
    file = packaged_file("sluice_models.measure", "functional.yaml")
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
    reached = find_reached(probabilities, thresholds)
    wanted = reached[:, [LABELS.index(label) for label in labels]].any(axis=1) if labels else ~reached.any(axis=1)
    return np.asarray(wanted, np.float32)


def measure_functions(scorer: TextScorer, thresholds: Mapping[str, float]) -> list[FunctionalRow]:
    """Per family, and the means over families: our functional tests, then templates that training never draws."""
    tests = load_tests()
    own = [
        _judge_family(scorer, family.name, family.labels, fill_family(family, tests.slots), thresholds)
        for family in tests.families
    ]
    held_out = list(_judge_templates(scorer, thresholds))
    return [*_report_suite(OWN, own), *_report_suite(TEMPLATES, held_out)]


def _judge_templates(scorer: TextScorer, thresholds: Mapping[str, float]) -> Iterator[FamilyOutcomes]:
    """Fillings of the sentences that are held out, by family."""
    texts: dict[str, list[str]] = {}
    labels: dict[str, tuple[str, ...]] = {}
    for example in fill_templates(N_FILLED, FILLING_SEED, held_out=True):
        texts.setdefault(example.meta["family"], []).append(example.text or "")
        labels[example.meta["family"]] = tuple(np.array(LABELS)[example.targets == 1])
    for name in sorted(texts):
        yield _judge_family(scorer, name, labels[name], texts[name], thresholds)


def _judge_family(
    scorer: TextScorer, name: str, labels: tuple[str, ...], texts: list[str], thresholds: Mapping[str, float]
) -> FamilyOutcomes:
    probabilities = scorer.score(texts)
    hate_alone = {HATE: thresholds[HATE]} if HATE in thresholds else {}
    by_hate = judge(probabilities, [HATE] if HATE in labels else [], hate_alone)
    return FamilyOutcomes(name, labels, judge(probabilities, labels, thresholds), by_hate)


def _report_suite(suite: str, families: Sequence[FamilyOutcomes]) -> Iterator[FunctionalRow]:
    for family in families:
        yield FunctionalRow(suite, family.name, bool(family.labels), len(family.right), find_mean(family.right))
    hateful = [family for family in families if HATE in family.labels]
    about_groups = [family for family in families if not family.labels and _is_about_groups(family.name)]
    for harmful, name, chosen in ((True, "hateful", hateful), (False, "not hateful, about groups", about_groups)):
        yield from _summarise(suite, f"all {name}", harmful, [family.right for family in chosen])
        yield from _summarise(suite, f"all {name}, by the hate score alone", harmful, [f.by_hate for f in chosen])
    for harmful, name in ((True, "all harmful"), (False, "all harmless")):
        chosen = [family for family in families if bool(family.labels) == harmful]
        yield from _summarise(suite, name, harmful, [family.right for family in chosen])


def _summarise(suite: str, name: str, harmful: bool, outcomes: Sequence[Floats]) -> Iterator[FunctionalRow]:
    """The mean over families; nothing if there are none."""
    if outcomes:
        means = np.array([right.mean() for right in outcomes], np.float32)
        n_rows = sum(map(len, outcomes))
        yield FunctionalRow(suite, f"{name} {OVER_FAMILIES}", harmful, n_rows, find_mean(means))


def _is_about_groups(family: str) -> bool:
    return any(word in family for word in ABOUT_GROUPS)


class Functional(Report[FunctionalRow]):
    """Families of plain sentences, and whether they reach review."""

    name, title = "functional", "functional tests"

    def measure(self, context: EvaluationContext) -> Iterable[FunctionalRow]:
        """Our functional tests, then templates held out from training."""
        return measure_functions(context.texts, context.thresholds.review)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[FunctionalRow]]:
        """One."""
        columns: Columns[FunctionalRow] = {
            "from": lambda row: row.suite,
            "family": lambda row: row.family,
            "should be flagged": lambda row: "yes" if row.harmful else "no",
            "sentences": lambda row: row.n_rows,
            "accuracy": lambda row: row.accuracy,
        }
        yield Table("functional", columns, evaluation.of(Functional))
