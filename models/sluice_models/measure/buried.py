"""A harmful sentence among harmless ones, in many languages: whether it still decides.

What drowns is what is found by itself and no longer in company. The harmless sentences alone are scored beside it,
since more of them are also more chances of a false alarm.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.intervals import NO_FIGURE, Bools, Figure
from sluice.schema import HARMS
from sluice_models.data.bundle import Example
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.everyday import pool_everyday
from sluice_models.measure.functional import judge
from sluice_models.measure.rationales import find_mean
from sluice_models.measure.report import Columns, Evaluation, Report, Table
from sluice_models.measure.score_texts import TextScorer
from sluice_models.recipes.text.composed import Pools, join
from sluice_models.recipes.text.drawing import fill_held_out
from sluice_models.recipes.text.multilingual import keep_sentences, load_languages

COUNTS = (1, 3, 5, 10, 20)
"""Harmless sentences around a harmful one."""
PER_LANGUAGE = 30
EVERY_LANGUAGE = "all"
N_HARMS = len(HARMS)


@dataclass(frozen=True)
class BuriedPost:
    """A harmful sentence, the same among others, and the others without it."""

    language: str
    alone: str
    buried: str
    others: str


@dataclass(frozen=True)
class BuriedRow:
    """Shares of a language's posts that reach review on any label.

    Attributes
    ----------
    alone, buried : Figure
        The harmful sentence by itself, and among harmless ones.
    kept : Figure
        Among harmless ones, of those that are found by themselves.
    never : Figure
        Missed by themselves as well, of those that are missed among harmless ones: company takes nothing from these.
    alarms : Figure
        The harmless ones without it.
    """

    language: str
    n_posts: int
    alone: Figure
    buried: Figure
    kept: Figure
    never: Figure
    alarms: Figure


def draw_buried(pools: Pools, seed: int = 5) -> list[BuriedPost]:
    """`PER_LANGUAGE` posts around sentences that training holds out, each kind of harm in turn."""
    rng = random.Random(seed)
    kinds = _group_harmful(fill_held_out(keep_sentences(load_languages(), held_out=True), n_fills=4, seed=11))
    return [
        _bury(rng, language, rng.choice(of_kind[number % len(of_kind)]), pools[language])
        for language, of_kind in sorted(kinds.items())
        if language in pools
        for number in range(PER_LANGUAGE)
    ]


def _group_harmful(made: Iterable[Example]) -> dict[str, list[list[str]]]:
    """Texts by language, those of one kind together."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for each in made:
        if (each.targets[:N_HARMS] == 1).any() and each.text and each.lang:
            found[each.lang][each.meta["kind"]].append(each.text)
    return {language: [kinds[name] for name in sorted(kinds)] for language, kinds in found.items()}


def _bury(rng: random.Random, language: str, harmful: str, pool: Sequence[str]) -> BuriedPost:
    around = [rng.choice(pool) for _ in range(rng.choice(COUNTS))]
    place = rng.randint(0, len(around))
    buried, _, _ = join(rng, [*around[:place], harmful, *around[place:]], place, language)
    others, _, _ = join(rng, around, 0, language)
    return BuriedPost(language, harmful, buried, others)


def measure_buried(scorer: TextScorer, posts: Sequence[BuriedPost], review: Mapping[str, float]) -> list[BuriedRow]:
    """All posts, then each language's."""
    alone, buried, others = (
        1 - judge(scorer.score(texts), (), review)
        for texts in ([p.alone for p in posts], [p.buried for p in posts], [p.others for p in posts])
    )

    def report(language: str, chosen: Bools) -> BuriedRow:
        kept = _find_share(buried == 1, chosen & (alone == 1))
        never = _find_share(alone == 0, chosen & (buried == 0))
        found, among, alarms = (find_mean(each[chosen]) for each in (alone, buried, others))
        return BuriedRow(language, int(chosen.sum()), found, among, kept, never, alarms)

    languages = np.array([post.language for post in posts])
    rows = [report(language, languages == language) for language in sorted(set(languages.tolist()))]
    return [report(EVERY_LANGUAGE, np.ones(len(posts), np.bool_)), *rows] if posts else []


def _find_share(found: Bools, chosen: Bools) -> Figure:
    """Of the chosen rows those found; no figure where there are none."""
    return find_mean(found[chosen].astype(np.float32)) if chosen.any() else NO_FIGURE


class Buried(Report[BuriedRow]):
    """Harmful sentences among harmless ones."""

    name, title = "buried", "harmful sentences among harmless ones"

    def measure(self, context: EvaluationContext) -> Iterable[BuriedRow]:
        """All languages, then each."""
        return measure_buried(context.texts, draw_buried(pool_everyday(context.examples)), context.thresholds.review)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[BuriedRow]]:
        """One."""
        columns: Columns[BuriedRow] = {
            "language": lambda row: row.language,
            "posts": lambda row: row.n_posts,
            "found by itself": lambda row: row.alone,
            "found among others": lambda row: row.buried,
            "of those found by themselves": lambda row: row.kept,
            "of those missed, missed by themselves too": lambda row: row.never,
            "the others alone flagged": lambda row: row.alarms,
        }
        yield Table("buried", columns, evaluation.of(Buried))
