"""Sentences of our own around the dictionary of abusive terms in the bundle: which of them are hateful, which coarse.

The dictionary has its terms alone; people use them in sentences. A term for an ethnic or religious group or for
disabled people is hateful in most of them, a coarse word for the body is not, and data sets have little that says so.
No term stands in our files: what is filled in comes from the training rows, with the categories of its annotators.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from enum import Enum
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
import yaml

from sluice.resources import packaged_file
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.recipes.text.templates import SOURCE, cut_marks

FILE = packaged_file("sluice_models.recipes.text", "lexicon.yaml")
DICTIONARY = "surge_profanity_terms"
ABOUT_SHARE = 0.12
"""Of the sentences, those that speak of a term instead of using it."""
COARSE_SHARE = 0.55
"""Of the sentences, those with a coarse word."""
_GROUPS = {"racial / ethnic slurs", "religious offense", "mental disability", "physical disability"}
_GENDER = "sexual orientation / gender"


class Kind(Enum):
    """What a term is, as far as its categories tell."""

    GROUP = ("hate", "toxicity", "profanity")
    COARSE = ("toxicity", "profanity")


class Frames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`lexicon.yaml`."""

    said: tuple[str, ...]
    about: tuple[str, ...]


@lru_cache(maxsize=1)
def load_frames(file: Path = FILE) -> Frames:
    """The sentences with a place for the term."""
    return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), Frames)


def find_kind(categories: Iterable[str], severity: str | None) -> Kind | None:
    """Kind of a term; None for those that the categories leave open.

    Terms about gender and orientation run from insults that most people use without a thought to the worst slurs: only
    the most severe count as hateful, the others as neither. The same holds of mild terms for groups.
    """
    named = set(categories)
    if named & _GROUPS:
        return Kind.GROUP if severity in ("Strong", "Severe") else None
    if _GENDER in named:
        return Kind.GROUP if severity == "Severe" and named == {_GENDER} else None
    return Kind.COARSE


def sort_lexicon(examples: Iterable[Example]) -> dict[Kind, list[str]]:
    """The dictionary's terms among `examples`, by kind."""
    terms: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for example in examples:
        if example.source == DICTIONARY:
            kind = find_kind(example.meta.get("categories") or (), example.meta.get("severity"))
            if kind is not None and example.text:
                terms[kind].append(example.text)
    return terms


def fill_lexicon(examples: Iterable[Example], n_rows: int, seed: int) -> list[Example]:
    """Draw `n_rows` sentences; none if the dictionary is not among `examples`. The same seed gives the same rows."""
    terms = sort_lexicon(examples)
    if not all(terms.values()):
        return []
    rng = random.Random(seed)
    return [_make(rng, index, terms) for index in range(n_rows)]


def _make(rng: random.Random, index: int, terms: dict[Kind, list[str]]) -> Example:
    kind = Kind.COARSE if rng.random() < COARSE_SHARE else Kind.GROUP
    is_about = rng.random() < ABOUT_SHARE
    frame = rng.choice(load_frames().about if is_about else load_frames().said)
    text, spans = cut_marks(frame.replace("{term}", f"[{_clean(rng.choice(terms[kind]))}]"))
    meta = {} if is_about else {"spans": spans}
    return Example(f"term-{index}", text, None, "en", _targets(kind, is_about), SOURCE, meta)


def _clean(term: str) -> str:
    return term.replace("[", "").replace("]", "")


def _targets(kind: Kind, is_about: bool) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Of a sentence about a term only that it is no hate; of the others also what a single term cannot be."""
    targets = np.full(len(LABELS), np.nan, np.float32)
    given: Sequence[str] = () if is_about else kind.value
    for label in LABELS:
        if label in given:
            targets[LABELS.index(label)] = 1.0
        elif label in ("hate", "violence", "threat"):
            targets[LABELS.index(label)] = 0.0
    return targets
