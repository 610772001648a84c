"""The stream of texts that training sees: chunks of bundle rows, sentences of our own, reports and composed posts.

A chunk depends on its number alone, so that a resumed run sees what an uninterrupted one would.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

import numpy as np

from sluice_models.config import TextRecipe
from sluice_models.data.bundle import Example
from sluice_models.recipes.text.composed import Composer, Pools, pool_harmless
from sluice_models.recipes.text.drawing import Drawer
from sluice_models.recipes.text.lexicon import fill_lexicon
from sluice_models.recipes.text.multilingual import keep_sentences, load_languages
from sluice_models.recipes.text.noise import roughen
from sluice_models.recipes.text.reported import report_some
from sluice_models.recipes.text.templates import fill_templates
from sluice_models.recipes.text.texts import sample_pass


class Mixer:
    """Makes chunks of texts.

    Parameters
    ----------
    examples : list of Example
        Training rows of the bundle; at least one.
    recipe : TextRecipe
    """

    def __init__(self, examples: list[Example], recipe: TextRecipe) -> None:
        self._examples, self._recipe = examples, recipe
        self._drawer = Drawer(keep_sentences(load_languages(), held_out=False))
        self._pass: tuple[int, list[Example]] = (-1, [])

    def chunk(self, number: int) -> list[Example]:
        """About ``chunk_rows`` texts, in random order."""
        rng, shares, n_rows = random.Random(number * 7919 + 13), self._recipe.shares, self._recipe.chunk_rows
        ours = fill_templates(round(n_rows * shares.templates), number)
        made = [self._drawer.draw(rng, f"drawn-{n}") for n in range(round(n_rows * shares.multilingual))]
        for n in range(round(n_rows * shares.twins)):
            made += self._drawer.draw_twins(rng, f"twin-{number}-{n}")
        made += ours + fill_lexicon(self._examples, round(n_rows * shares.lexicon), number)
        made += report_some(rng, made, round(n_rows * shares.reported))
        n_composed = round(n_rows * shares.composed)
        found = self._rows(number, max(n_rows - len(made) - n_composed, 1))
        composer = Composer(self._drawer, self._harmless, _by_language(ours), self._recipe.composed)
        composed = composer.compose(rng, n_composed, found + made)
        chosen = self._roughen(rng, found + made) + composed
        rng.shuffle(chosen)
        return chosen

    def _rows(self, number: int, n_rows: int) -> list[Example]:
        """The next rows of the bundle, pass after pass, each sampled anew."""
        first, chosen = number * self._recipe.chunk_rows, list[Example]()
        size = len(self._sample_pass(0))
        while len(chosen) < n_rows:
            which, place = divmod(first + len(chosen), size)
            chosen += self._sample_pass(which)[place : place + n_rows - len(chosen)]
        return chosen

    def _sample_pass(self, which: int) -> list[Example]:
        if self._pass[0] != which:
            self._pass = (which, sample_pass(self._examples, self._recipe.max_rows, which))
        return self._pass[1]

    @cached_property
    def _harmless(self) -> Pools:
        return pool_harmless(self._examples)

    def _roughen(self, rng: random.Random, rows: Iterable[Example]) -> list[Example]:
        """Write a share of the rows roughly; what they mark no longer fits. Twins stay alike."""
        return [
            replace(row, text=roughen(rng, row.text or ""), meta={})
            if "twin" not in row.meta and rng.random() < self._recipe.noisy_share
            else row
            for row in rows
        ]


def _by_language(rows: Iterable[Example]) -> Pools:
    """The harmless ones among templates."""
    pools: Pools = defaultdict(list)
    for row in rows:
        if not np.nansum(row.targets):
            pools[row.lang or ""].append(row.text or "")
    return pools
