"""Counts what the bundle holds by source and licence, and which of it the models are trained on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice_models.data.bundle import text_lines

LEFT_OUT = "nc"
MODALITIES = {"text": None, "image": "images.jsonl", "audio": "audio.jsonl"}


@dataclass(frozen=True)
class Origin:
    """Rows of one source; those of class `nc` (non-commercial) are not used."""

    modality: str
    source: str
    licence: str
    licence_class: str
    n_train: int
    n_val: int

    @property
    def used(self) -> bool:
        """Whether the models saw it."""
        return self.licence_class != LEFT_OUT


def count_origins(bundle: Path) -> list[Origin]:
    """Every source, by modality and name; raises `SettingsError` where the bundle is not there."""
    return [origin for modality in MODALITIES for origin in sorted(_count(modality, bundle), key=_order)]


def _order(origin: Origin) -> tuple[str, str, str]:
    return origin.source, origin.licence, origin.licence_class


def _count(modality: str, bundle: Path) -> Iterator[Origin]:
    file = MODALITIES[modality]
    lines: Iterable[dict[str, Any]] = text_lines(bundle) if file is None else _media_lines(bundle / file)
    counts = Counter((row["source"], row["licence"], row["licence_class"], row["split"]) for row in lines)
    for source, licence, licence_class in {key[:3] for key in counts}:
        n_train, n_val = (counts[(source, licence, licence_class, split)] for split in ("train", "val"))
        yield Origin(modality, source, licence, licence_class, n_train, n_val)


def _media_lines(file: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in file.read_text("utf-8").split("\n") if line)
