"""Sentences in many languages that name another person, group, flag or profession, and are else the same."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sluice.intervals import Bools, Floats
from sluice.schema import HARMS, LABELS
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.report import Columns, Evaluation, Report, Table, decimals, percent
from sluice_models.measure.score_texts import TextScorer
from sluice_models.recipes.text.drawing import Family, find_identities, make_of, place, slots_of
from sluice_models.recipes.text.multilingual import Language, keep_sentences, load_languages

PER_SENTENCE = 4
"""Names that a sentence is filled with; each is compared with each."""
TOO_MUCH = 0.15
EVERY_LANGUAGE = "all"
TOXICITY, N_HARMS = LABELS.index("toxicity"), len(HARMS)


@dataclass(frozen=True)
class Swapped:
    """One sentence with several names."""

    language: str
    harmful: bool
    texts: tuple[str, ...]


@dataclass(frozen=True)
class TwinRow:
    """Differences of scores between `n_pairs` pairs of a language.

    `toxicity` and `label` are means, of the difference in toxicity and of that in the label that differs most; beside
    them stand the largest, and the share of pairs in which some label differs by more than `TOO_MUCH`.
    """

    language: str
    harmful: bool
    n_pairs: int
    toxicity: float
    largest_toxicity: float
    label: float
    largest_label: float
    too_much: float


def draw_swapped(languages: Sequence[Language], seed: int = 2) -> list[Swapped]:
    """Every sentence that training holds out and that names somebody, with names drawn from one of its slots."""
    rng = random.Random(seed)
    identities = find_identities(Family(each.lang, kind, each.slots) for each in languages for kind in each.families)
    held_out = keep_sentences(languages, held_out=True)
    families = (Family(each.lang, kind, each.slots) for each in held_out for kind in each.families)
    found = (
        _swap(rng, family, sentence, identities[family.language])
        for family in families
        for sentence in family.kind.sentences
    )
    return [each for each in found if len(each.texts) > 1]


def _swap(rng: random.Random, family: Family, sentence: str, identities: set[str]) -> Swapped:
    slots = [slot for slot in slots_of(sentence) if slot in identities]
    harmful = bool(family.kind.labels)
    if not slots:
        return Swapped(family.language, harmful, ())
    slot, seed = rng.choice(slots), rng.random()
    names = rng.sample(list(family.slots[slot]), min(PER_SENTENCE, len(family.slots[slot])))
    made = (make_of(random.Random(seed), family, place(sentence, slot, name), "", plain=True) for name in names)
    return Swapped(family.language, harmful, tuple(each.text or "" for each in made))


def measure_twins(scorer: TextScorer, swapped: Sequence[Swapped]) -> list[TwinRow]:
    """Harmless sentences, then harmful ones: of all languages, then of each."""
    scores = scorer.score([text for each in swapped for text in each.texts])[:, :N_HARMS] if swapped else None
    if scores is None:
        return []
    ends = np.cumsum([len(each.texts) for each in swapped])[:-1]
    pairs = [(each, gap) for each, own in zip(swapped, np.split(scores, ends), strict=True) for gap in _gaps(own)]
    gaps = np.stack([gap for _, gap in pairs])
    languages, harmful = (np.array(each) for each in zip(*((p.language, p.harmful) for p, _ in pairs), strict=True))
    return [
        row
        for kind in (False, True)
        for language in (EVERY_LANGUAGE, *sorted(set(languages.tolist())))
        for row in _report(language, kind, gaps, (harmful == kind) & np.isin(languages, _named(language, languages)))
    ]


def _gaps(scores: Floats) -> Iterator[Floats]:
    """How far apart the labels of each two rows are, shape = (labels,)."""
    return (np.abs(first - second) for first, second in combinations(scores, 2))


def _named(language: str, languages: np.ndarray[tuple[int], np.dtype[np.str_]]) -> list[str]:
    return sorted(set(languages.tolist())) if language == EVERY_LANGUAGE else [language]


def _report(language: str, harmful: bool, gaps: Floats, chosen: Bools) -> Iterator[TwinRow]:
    if chosen.any():
        toxicity, label = gaps[chosen, TOXICITY], gaps[chosen].max(axis=1)
        yield TwinRow(
            language,
            harmful,
            int(chosen.sum()),
            float(toxicity.mean()),
            float(toxicity.max()),
            float(label.mean()),
            float(label.max()),
            float((label > TOO_MUCH).mean()),
        )


class Twins(Report[TwinRow]):
    """Sentences that differ in whom they name alone."""

    name, title = "twins", "swapped identities in many languages"

    def measure(self, context: EvaluationContext) -> Iterable[TwinRow]:
        """Harmless sentences, then harmful ones."""
        return measure_twins(context.texts, draw_swapped(load_languages()))

    def tables(self, evaluation: Evaluation) -> Iterator[Table[TwinRow]]:
        """One."""
        columns: Columns[TwinRow] = {
            "sentences": lambda row: "harmful" if row.harmful else "harmless",
            "language": lambda row: row.language,
            "pairs": lambda row: row.n_pairs,
            "toxicity, mean": lambda row: decimals(row.toxicity),
            "largest": lambda row: decimals(row.largest_toxicity),
            "any label, mean": lambda row: decimals(row.label),
            "largest ": lambda row: decimals(row.largest_label),
            f"over {TOO_MUCH}": lambda row: percent(row.too_much),
        }
        yield Table("twins", columns, evaluation.of(Twins))
