"""Mild sentences of our own in seventeen languages, harmful ones beside look-alikes: what a multilingual reader needs.

One file per language in `multilingual/`, and `common.yaml` with slots for all of them. ``{name}`` in a sentence draws
from the slot of that name, whose values may hold slots again; ``{a|b|}`` draws one of the alternatives written there.
Square brackets stand around what makes a sentence harmful, for the evidence; without them all of it does.

One sentence in `templates.HELD_OUT_EVERY` is never trained on: functional tests in many languages are made of those.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec
import yaml

from sluice.errors import SettingsError
from sluice.resources import packaged_file
from sluice_models.recipes.text.templates import is_held_out

FOLDER = packaged_file("sluice_models.recipes.text", "multilingual")
COMMON = "common.yaml"
_SLOT = re.compile(r"\{([^{}]*)\}")
_SPACES = re.compile(" {2,}")

Slots = Mapping[str, Sequence[str]]


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences of one kind in one language.

    Attributes
    ----------
    kind : str
        Such as ``threat``, or ``threat_negated_or_reported``.
    labels : tuple of str
        That hold; empty for harmless kinds.
    open : tuple of str
        Of which nobody says whether they hold. Every other label does not.
    pair : str or None
        The kind that looks alike and means the opposite.
    """

    kind: str
    labels: tuple[str, ...]
    open: tuple[str, ...]
    sentences: tuple[str, ...]
    pair: str | None = None


class Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: a language's kinds, and what its slots draw from."""

    lang: str
    slots: dict[str, tuple[str, ...]]
    families: tuple[Kind, ...] = ()


@lru_cache(maxsize=1)
def load_languages(folder: Path = FOLDER) -> tuple[Language, ...]:
    """Every language of the folder, the common slots among its own, in the order of their codes.

    Raises
    ------
    SettingsError
        Naming the file and the mistake.
    """
    common = _load(folder / COMMON)
    languages = (_load(file) for file in sorted(folder.glob("*.yaml")) if file.name != COMMON)
    return tuple(msgspec.structs.replace(each, slots=common.slots | each.slots) for each in languages)


def _load(file: Path) -> Language:
    try:
        return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), Language)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise SettingsError(f"{file.name}: {error}") from error


def keep_sentences(languages: Iterable[Language], held_out: bool) -> tuple[Language, ...]:
    """The sentences that are trained on, or those held out; kinds without any go."""
    return tuple(
        msgspec.structs.replace(language, families=tuple(_keep(language.families, held_out))) for language in languages
    )


def _keep(kinds: Iterable[Kind], held_out: bool) -> Iterator[Kind]:
    for kind in kinds:
        sentences = tuple(one for one in kind.sentences if is_held_out(one) == held_out)
        if sentences:
            yield msgspec.structs.replace(kind, sentences=sentences)


def fill(rng: random.Random, sentence: str, slots: Slots) -> str:
    """A sentence with every slot drawn anew; the brackets around the harm stay."""
    while _SLOT.search(sentence):
        sentence = _SLOT.sub(lambda found: _draw(rng, found[1], slots), sentence)
    return _SPACES.sub(" ", sentence).strip()


def _draw(rng: random.Random, slot: str, slots: Slots) -> str:
    return rng.choice(slot.split("|") if "|" in slot else slots[slot])
