"""Mild sentences of our own, filled from the slots of `sentences/*.yaml`: the plain cases the bundle has too few of.

The bundle's texts for fraud, gambling and weapons are under non-commercial terms, and it has few everyday messages.
What a harmful template does not name is 0, or open where the kinds overlap (a threat may also harass). Square brackets
in a sentence stand around what makes it harmful, for the evidence; without them all of it does.
"""

from __future__ import annotations

import random
import re
import zlib
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
import yaml

from sluice.errors import SettingsError
from sluice.resources import packaged_file
from sluice.schema import LABELS
from sluice_models.data.bundle import Example

FOLDER = packaged_file("sluice_models.recipes.text", "sentences")
SOURCE = "templates"
OVERLAPPING = ("toxicity", "hate", "harassment", "violence", "illicit")
HELD_OUT_EVERY = 8
"""One sentence in so many is never trained on: what a functional test by template is made of."""
EMBEDDED_SHARE = 0.35
"""Of the harmful sentences, those that get an everyday sentence before or behind them: evidence has to point inside."""
_SLOT = re.compile(r"\{(\w+)\}")
_HAN = re.compile("[\u4e00-\u9fff]")


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences for which the same labels hold, and how often the family is drawn.

    `absent` names labels that are 0 although they overlap with those that hold (an insult to one person is no hate).
    """

    name: str
    labels: tuple[str, ...]
    weight: float
    sentences: tuple[str, ...]
    absent: tuple[str, ...] = ()


class Templates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of `sentences/`, or all of them joined."""

    slots: dict[str, tuple[str, ...]]
    families: tuple[Family, ...]


@lru_cache(maxsize=1)
def load_templates(folder: Path = FOLDER) -> Templates:
    """Every file of the folder, joined.

    Raises
    ------
    SettingsError
        If a file is not as it should be, names a slot twice, or a sentence names one that is nowhere.
    """
    slots: dict[str, tuple[str, ...]] = {}
    families: list[Family] = []
    for file in sorted(folder.glob("*.yaml")):
        read = _read(file)
        if twice := slots.keys() & read.slots.keys():
            raise SettingsError(f"{file.name}: slots named twice: {sorted(twice)}")
        slots.update(read.slots)
        families += read.families
    _require_slots(slots, families)
    return Templates(slots, tuple(families))


def _read(file: Path) -> Templates:
    try:
        return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), Templates)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise SettingsError(f"{file.name}: {error}") from error


def _require_slots(slots: dict[str, tuple[str, ...]], families: list[Family]) -> None:
    named = {slot for family in families for sentence in family.sentences for slot in _SLOT.findall(sentence)}
    if missing := named - slots.keys():
        raise SettingsError(f"sentences name slots that are nowhere: {sorted(missing)}")


def is_held_out(sentence: str) -> bool:
    """Whether a sentence is kept for the functional test by template."""
    return zlib.crc32(sentence.encode()) % HELD_OUT_EVERY == 0


def fill_templates(n_rows: int, seed: int, held_out: bool = False) -> list[Example]:
    """Draw `n_rows` sentences, of those trained on or of those held out; the same seed gives the same rows."""
    rng = random.Random(seed)
    templates = load_templates()
    families = [_keep(family, held_out) for family in templates.families]
    families = [family for family in families if family.sentences]
    everyday = [sentence for family in families if not family.labels for sentence in family.sentences]
    drawn = rng.choices(families, [family.weight for family in families], k=n_rows)
    return [_make(rng, index, family, templates.slots, everyday) for index, family in enumerate(drawn)]


def _keep(family: Family, held_out: bool) -> Family:
    return msgspec.structs.replace(
        family, sentences=tuple(one for one in family.sentences if is_held_out(one) == held_out)
    )


def _make(
    rng: random.Random, index: int, family: Family, slots: dict[str, tuple[str, ...]], everyday: list[str]
) -> Example:
    sentence = _mark(rng.choice(family.sentences), bool(family.labels))
    if family.labels and rng.random() < EMBEDDED_SHARE:
        sentence = _embed(rng, sentence, everyday)
    text, spans = cut_marks(_vary(rng, fill(rng, sentence, slots), slots["emoji"]))
    targets = np.array([_target(label, family) for label in LABELS], np.float32)
    lang = "zh" if _HAN.search(text) else "en"
    return Example(f"template-{index}", text, None, lang, targets, SOURCE, {"spans": spans, "family": family.name})


def fill(rng: random.Random, sentence: str, slots: dict[str, tuple[str, ...]]) -> str:
    """A sentence with every slot drawn anew; what a slot gives may have slots of its own."""
    filled = _SLOT.sub(lambda slot: rng.choice(slots[slot[1]]), sentence)
    return fill(rng, filled, slots) if _SLOT.search(filled) else filled


def _mark(sentence: str, harmful: bool) -> str:
    return f"[{sentence}]" if harmful and "[" not in sentence else sentence


def _embed(rng: random.Random, sentence: str, everyday: list[str]) -> str:
    """Put an everyday sentence of the same script before or behind."""
    script = bool(_HAN.search(sentence))
    around = [one for one in rng.choices(everyday, k=40) if bool(_HAN.search(one)) == script]
    if not around:
        return sentence
    stop = "。" if script else ". "
    return stop.join(rng.choice(((around[0], sentence), (sentence, around[0]))))


def cut_marks(text: str) -> tuple[str, list[tuple[int, int]]]:
    """A text without its brackets, and the ranges of characters that stood in them."""
    plain: list[str] = []
    spans: list[tuple[int, int]] = []
    start = 0
    for character in text:
        if character == "[":
            start = len(plain)
        elif character == "]":
            spans.append((start, len(plain)))
        else:
            plain.append(character)
    return "".join(plain), spans


def _target(label: str, family: Family) -> float:
    if label in family.labels:
        return 1.0
    if not family.labels or label in family.absent:
        return 0.0
    is_open = label in OVERLAPPING or (label == "spam" and "illicit" in family.labels)
    return np.nan if is_open else 0.0


def _vary(rng: random.Random, text: str, emoji: tuple[str, ...]) -> str:
    """Case, closing punctuation and a friendly emoji say nothing about harm."""
    if rng.random() < 0.2:
        text = text.lower()
    if rng.random() < 0.08:
        text = text.upper()
    if rng.random() < 0.1:
        return f"{text} {rng.choice(emoji)}"
    return text + rng.choice(("", "", "", ".", "!", "。" if not text.isascii() else "."))
