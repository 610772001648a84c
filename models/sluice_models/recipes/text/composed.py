"""Posts of several sentences, one of them harmful or none: a label of the sentence is one of the post."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sluice.schema import HARMS, LABELS
from sluice_models.config import Composition
from sluice_models.data.bundle import Example
from sluice_models.recipes.text.drawing import STOPS, Drawer
from sluice_models.recipes.text.reported import MAX_CHARACTERS
from sluice_models.recipes.text.templates import SOURCE

N_HARMS = len(HARMS)
WITHOUT_SPACES = ("zh", "ja", "th")
MIN_KNOWN = 10
"""Harms that a row has to be known not to have, to count as harmless."""
MADE_SHARE = 0.65
"""Of the harmful sentences, those of our own making."""
FOUND_SHARE, TEMPLATE_SHARE = 0.4, 0.2
"""Of the harmless sentences, those of the bundle and our own English and Chinese ones; the rest are drawn."""
NEWLINE_SHARE, STOP_SHARE = 0.15, 0.85
WHOLE_SHARE = 0.8
"""From what part of a sentence on a marked stretch says only that the harm is somewhere in it."""
Pools = dict[str, list[str]]


def is_harmless(row: Example) -> bool:
    """Whether a row is known to have none of the harms, and to lack enough of them for certain."""
    known = row.targets[:N_HARMS]
    return bool((known == 0).sum() >= MIN_KNOWN and not (known == 1).any())


def pool_harmless(rows: Iterable[Example]) -> Pools:
    """Short harmless texts by language, to stand around others."""
    pools: Pools = defaultdict(list)
    for row in rows:
        if row.lang and row.text and 4 < len(row.text) <= MAX_CHARACTERS and is_harmless(row):
            pools[row.lang].append(row.text)
    return pools


@dataclass(frozen=True)
class Composer:
    """Composes posts.

    Attributes
    ----------
    found, own : dict of str to list of str
        Harmless texts by language: the bundle's, and our templates'.
    """

    drawer: Drawer
    found: Pools
    own: Pools
    composition: Composition

    def compose(self, rng: random.Random, n_posts: int, rows: Iterable[Example]) -> list[Example]:
        """`n_posts` posts, most of them around a harmful one of `rows`."""
        usable = [row for row in rows if self._is_usable(row)]
        made = [row for row in usable if row.source == SOURCE]
        found = [row for row in usable if row.source != SOURCE]
        return [self._compose(rng, f"composed-{number}", made, found) for number in range(n_posts)]

    def _compose(self, rng: random.Random, key: str, made: list[Example], found: list[Example]) -> Example:
        choice = made if made and (not found or rng.random() < MADE_SHARE) else found
        if not choice or rng.random() >= self.composition.harmful_share:
            return self.compose_harmless(rng, key, rng.choice([*self.drawer.languages, "en", "zh", "zh"]))
        return self.compose_around(rng, key, rng.choice(choice))

    def _is_usable(self, row: Example) -> bool:
        is_short = 3 < len(row.text or "") <= MAX_CHARACTERS
        return bool((row.targets[:N_HARMS] == 1).any()) and is_short and row.lang in self.drawer.languages

    def compose_around(self, rng: random.Random, key: str, core: Example) -> Example:
        """A post with one sentence among harmless ones, and what it marks where it now stands."""
        language, said = core.lang or "en", core.text or ""
        around = self._sentences(rng, language, self._draw_count(rng))
        place = rng.randint(0, len(around))
        text, start, end = join(rng, [*around[:place], said, *around[place:]], place, language)
        marked = core.meta.get("spans") or [(0, len(said))]
        is_vague = any(last - first > WHOLE_SHARE * len(said) for first, last in marked)
        meta: dict[str, Any] = {
            "spans": [(start + first, min(start + last, end)) for first, last in marked],
            "composed": True,
            "whole": is_vague,
        }
        return Example(key, text, None, language, core.targets, core.source, meta)

    def compose_harmless(self, rng: random.Random, key: str, language: str) -> Example:
        """A post of harmless sentences alone."""
        parts = self._sentences(rng, language, 1 + self._draw_count(rng)) or ["ok"]
        text, _, _ = join(rng, parts, 0, language)
        meta = {"spans": [], "composed": True}
        return Example(key, text, None, language, np.zeros(len(LABELS), np.float32), SOURCE, meta)

    def _draw_count(self, rng: random.Random) -> int:
        low, high, _ = rng.choices(self.composition.counts, [share for _, _, share in self.composition.counts])[0]
        return rng.randint(low, high)

    def _sentences(self, rng: random.Random, language: str, n: int) -> list[str]:
        drawn = (self._sentence(rng, language) for _ in range(n))
        return [text for text in drawn if text]

    def _sentence(self, rng: random.Random, language: str) -> str | None:
        found, own, dice = self.found.get(language), self.own.get(language), rng.random()
        if found and dice < FOUND_SHARE:
            return rng.choice(found)
        if own and dice < FOUND_SHARE + TEMPLATE_SHARE:
            return rng.choice(own)
        drawn = self.drawer.draw_of(rng, language, harmful=False, key="")
        return drawn.text if drawn else rng.choice(found) if found else None


def join(rng: random.Random, parts: Sequence[str], place: int, language: str) -> tuple[str, int, int]:
    """Sentences joined as people write them, and where the one at `place` begins and ends."""
    gap = "\n" if rng.random() < NEWLINE_SHARE else "" if language in WITHOUT_SPACES else " "
    closes = rng.random() < STOP_SHARE
    text, start, end = "", 0, 0
    for number, part in enumerate(parts):
        stripped = part.strip()
        text += gap if number else ""
        if number == place:
            start, end = len(text), len(text) + len(stripped)
        text += stripped + (_close(rng, stripped, closes or not gap, language))
    return text, start, end


def _close(rng: random.Random, part: str, closes: bool, language: str) -> str:
    """What stands behind a sentence that ends in a letter."""
    if not part[-1:].isalnum():
        return ""
    if closes:
        return STOPS.get(language, ".")
    return "," if rng.random() < 0.5 else ""
