"""Posts whose meaning needs two parts: a mild sentence of our own, and a picture or a clip that turns it.

The sentences stand in `pairs.yaml`; pictures and clips are the bundle's, encoded. One sentence in `HELD_OUT_EVERY` is
never trained on, and the test figure also uses the validation split's pictures and clips.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec
import numpy as np
import numpy.typing as npt
import torch
import yaml

from sluice.errors import SettingsError
from sluice.resources import packaged_file
from sluice.schema import LABELS, MODALITIES
from sluice_models.recipes.fusion.encoded import Bools, Encoded, Float16, Float32, plain_severity
from sluice_models.recipes.fusion.posts import SLOTS, PostBatch, join_severity, join_targets, slot_kinds
from sluice_models.recipes.text.templates import OVERLAPPING, fill

Rows = npt.NDArray[np.int64]

HELD_OUT_EVERY = 5
"""One sentence in so many is kept for the test figure."""
TURNED_SHARE = 0.5
"""Of the posts, those with a cue of the sentence's; the others have a picture or clip without any cue."""
COMPANY_SHARE = 0.2
"""Of the posts, those with a harmless part of the third kind beside."""
CUES = {"weapons": 1, "fire": 1, "gunshot": 2, "scream": 2}
"""What turns sentences, and the kind of part that carries it."""
SLOT_OF_KIND = {0: 0, 1: 2, 2: 4}
"""Where in `SLOTS` a pair's parts stand."""


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences for which `labels` hold beside any of `cues`; without labels, nothing holds beside anything."""

    name: str
    labels: tuple[str, ...]
    cues: tuple[str, ...]
    sentences: tuple[str, ...]


class Pairs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`pairs.yaml`."""

    slots: dict[str, tuple[str, ...]]
    families: tuple[Family, ...]


@dataclass(frozen=True)
class PairTexts:
    """Encoded sentences, and each one's family."""

    encoded: Encoded
    families: tuple[Family, ...]


@lru_cache(maxsize=1)
def load_pairs() -> Pairs:
    """Read ``models/sluice_models/recipes/fusion/pairs.yaml``; raises `SettingsError` if it is not as it should be."""
    file = packaged_file("sluice_models.recipes.fusion", "pairs.yaml")
    try:
        return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), Pairs)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise SettingsError(f"{file.name}: {error}") from error


def is_held_out(sentence: str) -> bool:
    """Whether a sentence is kept for the test figure."""
    return zlib.crc32(sentence.encode()) % HELD_OUT_EVERY == 0


def write_lines(n_rows: int, seed: int, held_out: bool) -> list[tuple[str, Family]]:
    """Filled sentences and their families, half of them with labels; the same seed gives the same."""
    pairs, rng = load_pairs(), random.Random(seed)
    sides = [[family for family in pairs.families if bool(family.labels) == harmful] for harmful in (True, False)]
    chosen = [rng.choice(sides[row % 2]) for row in range(n_rows)]
    return [(_write(rng, family, held_out, pairs), family) for family in chosen]


def _write(rng: random.Random, family: Family, held_out: bool, pairs: Pairs) -> str:
    sentences = [one for one in family.sentences if is_held_out(one) == held_out]
    return fill(rng, rng.choice(sentences), pairs.slots)


def compose_pairs(texts: PairTexts, parts: Sequence[Encoded], n_batch: int) -> Iterator[PostBatch]:
    """Endless batches of pairs; `parts` are texts, pictures and sounds, in the order of the fusion's kinds."""
    rng = np.random.default_rng(1)
    columns, media = [texts.encoded, *parts[1:]], _find_media(parts)
    while True:
        posts = [_draw(texts, media, rng) for _ in range(n_batch)]
        yield _stack(columns, np.stack([post.rows for post in posts]), np.stack([post.targets for post in posts]))


@dataclass(frozen=True)
class _Media:
    """Rows with each cue, and rows of each kind without any."""

    with_cue: dict[str, Rows]
    without: dict[int, Rows]


def _find_media(parts: Sequence[Encoded]) -> _Media:
    cues = [LABELS.index(cue) for cue in CUES]
    with_cue = {cue: np.flatnonzero(parts[kind].targets[:, LABELS.index(cue)] == 1) for cue, kind in CUES.items()}
    without = {kind: np.flatnonzero((parts[kind].targets[:, cues] == 0).all(axis=1)) for kind in set(CUES.values())}
    return _Media(with_cue, without)


@dataclass(frozen=True)
class _Post:
    """`rows`, shape = (kinds,): of each kind's part, -1 for none. `targets`, shape = (labels,): the sentence's."""

    rows: Rows
    targets: Float32


def _draw(texts: PairTexts, media: _Media, rng: np.random.Generator) -> _Post:
    row = int(rng.integers(len(texts.families)))
    family = texts.families[row]
    cue = str(rng.choice(family.cues or tuple(CUES)))
    kind, turned = CUES[cue], bool(rng.random() < TURNED_SHARE)
    rows = np.full(len(MODALITIES), -1)
    rows[0] = row
    rows[kind] = rng.choice(media.with_cue[cue] if turned else media.without[kind])
    if rng.random() < COMPANY_SHARE:
        other = next(each for each in media.without if each != kind)
        rows[other] = rng.choice(media.without[other])
    return _Post(rows, _sentence_targets(family, turned))


def _sentence_targets(family: Family, turned: bool) -> Float32:
    """What holds of a sentence beside its cue, or without: kinds of harm that overlap with those that hold are open."""
    targets = np.zeros(len(LABELS), np.float32)
    if turned and family.labels:
        targets[[LABELS.index(label) for label in OVERLAPPING]] = np.nan
        targets[[LABELS.index(label) for label in family.labels]] = 1.0
    return targets


def _stack(columns: Sequence[Encoded], rows: Rows, sentences: Float32) -> PostBatch:
    """Rows of each kind, shape = (B, kinds), and the sentences' targets, as posts with the slots of `SLOTS`."""
    n_posts, present = len(rows), rows >= 0
    targets, severity = (np.zeros((n_posts, len(MODALITIES), len(LABELS)), np.float32) for _ in range(2))
    for kind, column in enumerate(columns):
        targets[:, kind], severity[:, kind] = column.targets[rows[:, kind]], column.severity[rows[:, kind]]
    targets[:, 0], severity[:, 0] = sentences, plain_severity(sentences)
    slots = [_fill_slot(columns[kind], kind, slot, rows[:, kind]) for slot, (kind, _) in enumerate(SLOTS)]
    tokens, shown = (np.concatenate(part, axis=1) for part in zip(*slots, strict=True))
    joined = join_targets(targets, present)
    arrays = (
        tokens.astype(np.float32),
        shown,
        np.broadcast_to(slot_kinds(columns), shown.shape).copy(),
        joined,
        np.ones_like(joined),
        join_severity(severity, present),
    )
    return PostBatch(*map(torch.from_numpy, arrays))


def _fill_slot(column: Encoded, kind: int, slot: int, rows: Rows) -> tuple[Float16, Bools]:
    """Tokens (B, T, 256) and mask (B, T) of one slot: the pair's part where it is the kind's own, else nothing."""
    is_there = (rows >= 0) & (SLOT_OF_KIND[kind] == slot)
    return column.tokens[rows], column.mask[rows] & is_there[:, None]
