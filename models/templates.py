"""Mild sentences of our own, filled from the slots of `templates.yaml`: the plain cases the bundle has too few of.

The bundle's texts for fraud, gambling and weapons are under non-commercial terms, and it has few everyday messages.
What a harmful template does not name is 0, or open where the kinds overlap (a threat may also harass).
"""

from __future__ import annotations

import random
import re
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
import yaml

from engine.schema import LABELS
from models.bundle import Example

OVERLAPPING = ("toxicity", "hate", "harassment", "violence", "illicit")
_SLOT = re.compile(r"\{(\w+)\}")


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences for which the same labels hold, and how often the family is drawn."""

    name: str
    labels: tuple[str, ...]
    weight: float
    sentences: tuple[str, ...]


class Templates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`templates.yaml`."""

    slots: dict[str, tuple[str, ...]]
    families: tuple[Family, ...]


@lru_cache(maxsize=1)
def load_templates() -> Templates:
    """Read ``models/templates.yaml``."""
    file = Path(__file__).with_suffix(".yaml")
    return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), Templates)


def fill_templates(n_rows: int, seed: int) -> list[Example]:
    """Draw `n_rows` sentences; the same seed gives the same rows."""
    chance = random.Random(seed)
    templates = load_templates()
    drawn = chance.choices(templates.families, [family.weight for family in templates.families], k=n_rows)
    return [_fill(chance, index, family, templates.slots) for index, family in enumerate(drawn)]


def _fill(chance: random.Random, index: int, family: Family, slots: dict[str, tuple[str, ...]]) -> Example:
    text = _SLOT.sub(lambda slot: chance.choice(slots[slot[1]]), chance.choice(family.sentences))
    targets = np.array([_target(label, family.labels) for label in LABELS], np.float32)
    return Example(f"template-{index}", _vary(chance, text, slots["emoji"]), None, None, targets, "templates")


def _target(label: str, named: tuple[str, ...]) -> float:
    if label in named:
        return 1.0
    return np.nan if named and label in OVERLAPPING else 0.0


def _vary(chance: random.Random, text: str, emoji: tuple[str, ...]) -> str:
    """Case, closing punctuation and a friendly emoji say nothing about harm."""
    if chance.random() < 0.2:
        text = text.lower()
    if chance.random() < 0.08:
        text = text.upper()
    if chance.random() < 0.1:
        return f"{text} {chance.choice(emoji)}"
    return text + chance.choice(("", "", "", ".", "!", "。" if not text.isascii() else "."))
