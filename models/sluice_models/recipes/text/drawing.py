"""Draws sentences in many languages out of `multilingual/`: by kind, then by language, then by sentence.

Kinds have unlike numbers of sentences, and a sentence varies more where it has more slots: neither decides how often it
is drawn. Twins are one sentence with two identities and all else alike; their scores should not differ.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import msgspec
import numpy as np
import yaml

from sluice.resources import packaged_file
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.recipes.text.multilingual import Kind, Language, Slots, fill
from sluice_models.recipes.text.templates import SOURCE, cut_marks

STOPS = {"zh": "。", "ja": "。"}
"""What closes a sentence; a full stop in all other languages."""
_SLOT = re.compile(r"\{([^{}|]*)\}")


class Drawing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`drawing.yaml`."""

    kinds: dict[str, float]
    languages: dict[str, float]
    doubled: dict[str, tuple[str, ...]]
    naming: tuple[str, ...]
    not_naming: tuple[str, ...]
    pictographs: tuple[str, ...]


@lru_cache(maxsize=1)
def load_drawing() -> Drawing:
    """Read ``drawing.yaml``."""
    return msgspec.convert(
        yaml.safe_load(packaged_file("sluice_models.recipes.text", "drawing.yaml").read_text("utf-8")), Drawing
    )


@dataclass(frozen=True)
class Family:
    """The sentences of one kind in one language, and what their slots draw from."""

    language: str
    kind: Kind
    slots: Slots

    @property
    def weight(self) -> float:
        """How often it is drawn among the families of its kind."""
        drawing = load_drawing()
        doubled = self.kind.kind in drawing.doubled.get(self.language, ())
        return drawing.languages.get(self.language, 1.0) * (2.0 if doubled else 1.0)


class Drawer:
    """Draws filled sentences.

    Parameters
    ----------
    languages : iterable of Language
        As `multilingual.keep_sentences` gives them.
    """

    def __init__(self, languages: Iterable[Language]) -> None:
        families = [Family(each.lang, kind, each.slots) for each in languages for kind in each.families]
        self._by_kind: dict[str, list[Family]] = defaultdict(list)
        self._by_language: dict[str, list[Family]] = defaultdict(list)
        for family in families:
            self._by_kind[family.kind.kind].append(family)
            self._by_language[family.language].append(family)
        self._identities = find_identities(families)

    @property
    def languages(self) -> list[str]:
        """Those there are sentences in."""
        return sorted(self._by_language)

    def draw(self, rng: random.Random, key: str) -> Example:
        """A sentence of any kind and language."""
        return make(rng, self._draw_family(rng), key)

    def draw_twins(self, rng: random.Random, key: str) -> list[Example]:
        """A sentence twice, with another identity each; none where the sentence has no place for one."""
        family = self._draw_family(rng)
        return make_twins(rng, family, self._identities[family.language], key)

    def draw_of(self, rng: random.Random, language: str, harmful: bool, key: str) -> Example | None:
        """A harmful or harmless sentence of a language; None if there is none."""
        own = [each for each in self._by_language.get(language, ()) if bool(each.kind.labels) == harmful]
        return make(rng, rng.choice(own), key) if own else None

    def _draw_family(self, rng: random.Random) -> Family:
        kinds = list(self._by_kind)
        weights = [load_drawing().kinds.get(kind, 1.0) for kind in kinds]
        own = self._by_kind[rng.choices(kinds, weights)[0]]
        return rng.choices(own, [family.weight for family in own])[0]


def make(rng: random.Random, family: Family, key: str, plain: bool = False) -> Example:
    """One filled sentence; `plain` leaves case and closing signs as they are written."""
    return make_of(rng, family, rng.choice(family.kind.sentences), key, plain)


def make_of(rng: random.Random, family: Family, sentence: str, key: str, plain: bool = False) -> Example:
    """As `make`, of one of the family's sentences."""
    kind = family.kind
    whole = bool(kind.labels) and "[" not in sentence
    filled = fill(rng, f"[{sentence}]" if whole else sentence, family.slots)
    text, spans = cut_marks(filled if plain else vary(rng, filled, family.language))
    meta = {"spans": spans if kind.labels else [], "kind": kind.kind, "whole": whole}
    return Example(key, text, None, family.language, targets_of(kind), SOURCE, meta)


def targets_of(kind: Kind) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """1 for the labels that hold, NaN for those nobody says, 0 for all others; shape = (labels,)."""
    values = [1.0 if label in kind.labels else np.nan if label in kind.open else 0.0 for label in LABELS]
    return np.array(values, np.float32)


def vary(rng: random.Random, text: str, language: str) -> str:
    """Case, closing signs and a friendly pictograph say nothing about harm."""
    if rng.random() < 0.2:
        text = text.lower()
    if rng.random() < 0.05:
        text = text.upper()
    if rng.random() < 0.08:
        return f"{text} {rng.choice(load_drawing().pictographs)}"
    if text[-1:].isalnum() and rng.random() < 0.4:
        return text + rng.choice((".", "!", STOPS.get(language, ".")))
    if text[-1:] in ".。!！" and rng.random() < 0.35:
        return text[:-1]
    return text


def find_identities(families: Iterable[Family]) -> dict[str, set[str]]:
    """By language, the slots that hold names, groups, flags and professions."""
    drawing, found = load_drawing(), defaultdict[str, set[str]](set)
    for family in (each for each in families if each.kind.kind in drawing.naming):
        for sentence in family.kind.sentences:
            named = {slot for slot in slots_of(sentence) if slot in family.slots}
            found[family.language] |= named - set(drawing.not_naming)
    return found


def make_twins(rng: random.Random, family: Family, identities: set[str], key: str) -> list[Example]:
    """One of the family's sentences with two identities, or nothing; both have `key` as their ``twin``."""
    sentence = rng.choice(family.kind.sentences)
    slots = [slot for slot in slots_of(sentence) if slot in identities]
    if not slots:
        return []
    slot, seed = rng.choice(slots), rng.random()
    values = rng.sample(list(family.slots[slot]), min(2, len(family.slots[slot])))
    twins = [make_of(random.Random(seed), family, place(sentence, slot, value), key) for value in values]
    return [replace(twin, meta={**twin.meta, "twin": key}) for twin in twins] if len(twins) > 1 else []


def slots_of(sentence: str) -> list[str]:
    """The slots that a sentence draws from, in order."""
    return _SLOT.findall(sentence)


def place(sentence: str, slot: str, value: str) -> str:
    """A sentence with one of its slots filled."""
    return sentence.replace("{" + slot + "}", value)


def fill_held_out(languages: Sequence[Language], n_fills: int, seed: int) -> list[Example]:
    """Every sentence of some languages, those with slots filled a few times; plainly written."""
    rng, made = random.Random(seed), list[Example]()
    for language in languages:
        for kind in language.families:
            family = Family(language.lang, kind, language.slots)
            for sentence in kind.sentences:
                for _ in range(n_fills if "{" in sentence else 1):
                    made.append(make_of(rng, family, sentence, f"held-{len(made)}", plain=True))
    return made
