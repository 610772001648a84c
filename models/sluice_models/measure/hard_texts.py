"""Harmful texts that validation has few of: sentences of our own that training holds out, and obfuscated spelling."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from sluice_models.config import TRITON_REPO
from sluice_models.data.bundle import Example
from sluice_models.measure.obfuscation import TRICKS, obfuscate, tricks_of
from sluice_models.measure.teacher import teach_all
from sluice_models.recipes.text.drawing import fill_held_out
from sluice_models.recipes.text.multilingual import keep_sentences, load_languages
from sluice_models.recipes.text.taught import Taught
from sluice_models.recipes.text.templates import fill_templates

N_FILLS, N_TEMPLATES = 3, 900
"""Fillings of a sentence in many languages, and fillings of English and Chinese ones in all."""
PER_TRICK = 200
"""Validation positives in one language that every trick is tried on."""
SEED = 31


def find_sentences(_: Sequence[Example]) -> list[Example]:
    """Harmful sentences of our own that training never sees."""
    drawn = fill_held_out(keep_sentences(load_languages(), held_out=True), N_FILLS, seed=SEED)
    return [row for row in [*drawn, *fill_templates(N_TEMPLATES, SEED, held_out=True)] if _is_harmful(row)]


def find_tricked(examples: Sequence[Example]) -> list[Example]:
    """Positives in English and Chinese, spelled by every trick; those that a trick leaves as they are do not count."""
    return [row for language in ("en", "zh") for row in _trick(examples, language)]


def _trick(examples: Sequence[Example], language: str) -> Iterator[Example]:
    rows = [row for row in examples if row.lang == language and _is_harmful(row)]
    for trick in tricks_of(language):
        rng = random.Random(f"{SEED} {trick}")
        for row in rng.sample(rows, min(PER_TRICK, len(rows))):
            text = obfuscate(row.text or "", trick, rng)
            if text != row.text:
                yield replace(row, text=text, meta={})


def _is_harmful(row: Example) -> bool:
    return bool((row.targets == 1).any())


HARD_TEXTS: Mapping[str, Callable[[Sequence[Example]], list[Example]]] = {
    "harmful sentences of our own": find_sentences,
    f"positives under {len(TRICKS)} tricks of spelling": find_tricked,
}
"""What each kind is, and how it is made of the validation rows."""


def teach_hard_texts(
    examples: Sequence[Example], folder: Path, console: Console, repository: Path = TRITON_REPO
) -> dict[str, Taught]:
    """What all models say of them, by kind; kinds of which there are none are left out."""
    made = {kind: find(examples) for kind, find in HARD_TEXTS.items()}
    return {kind: teach_all(rows, folder, console, repository) for kind, rows in made.items() if rows}
