"""Harmful sentences that somebody reports, refuses or asks help about: what is said is no longer meant."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
import yaml

from sluice.resources import packaged_file
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.recipes.text.templates import SOURCE

MAX_CHARACTERS = 160
"""Of a sentence that is reported or composed into a post."""
REPORTED = ("threat", "hate", "harassment", "violence")
STAY_OPEN = ("profanity", "self_harm", "sexual")
"""Labels of a sentence that stay undecided when it is reported; all others are 0."""
PLACE = "{q}"


@lru_cache(maxsize=1)
def load_reports() -> dict[str, list[str]]:
    """Frames by language, out of ``reported.yaml``; each has a place for the sentence."""
    file = packaged_file("sluice_models.recipes.text", "reported.yaml")
    return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), dict[str, list[str]])


def report_some(rng: random.Random, rows: Sequence[Example], n_rows: int) -> list[Example]:
    """At most `n_rows` reports of sentences among `rows`; a draw in a language without frames gives none."""
    said = [row for row in rows if _is_reportable(row)]
    drawn = (report(rng, rng.choice(said), f"reported-{number}") for number in range(n_rows if said else 0))
    return [one for one in drawn if one is not None]


def _is_reportable(row: Example) -> bool:
    is_meant = any(row.targets[LABELS.index(label)] == 1 for label in REPORTED)
    is_safe = row.targets[LABELS.index("self_harm")] != 1
    return bool(row.meta.get("kind")) and is_meant and is_safe and len(row.text or "") < MAX_CHARACTERS


def report(rng: random.Random, said: Example, key: str) -> Example | None:
    """A sentence that somebody reports; None for a language without frames."""
    frames = load_reports().get(said.lang or "")
    if not frames:
        return None
    text = rng.choice(frames).replace(PLACE, (said.text or "").rstrip(".。"))
    values = [np.nan if label in STAY_OPEN and said.targets[index] != 0 else 0.0 for index, label in enumerate(LABELS)]
    meta = {"spans": [], "kind": "reported"}
    return Example(key, text, None, said.lang, np.array(values, np.float32), SOURCE, meta)
