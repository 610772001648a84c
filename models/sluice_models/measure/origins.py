"""Counts what the bundle holds by source and licence, and which of it the models are trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice_models.data.bundle import MediaName, media_lines, text_lines
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.report import Columns, Evaluation, Report, Table

LEFT_OUT = "nc"
MODALITIES: dict[str, MediaName | None] = {"text": None, "image": "images", "audio": "audio"}


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
    media = MODALITIES[modality]
    lines: Iterable[dict[str, Any]] = text_lines(bundle) if media is None else media_lines(bundle, media)
    counts = Counter((row["source"], row["licence"], row["licence_class"], row["split"]) for row in lines)
    for source, licence, licence_class in {key[:3] for key in counts}:
        n_train, n_val = (counts[(source, licence, licence_class, split)] for split in ("train", "val"))
        yield Origin(modality, source, licence, licence_class, n_train, n_val)


@dataclass(frozen=True)
class _LicenceClass:
    modality: str
    licence_class: str
    origins: tuple[Origin, ...]


def _group(origins: Iterable[Origin]) -> list[_LicenceClass]:
    """Origins of the same modality and class together, in the order of those names."""
    groups: dict[tuple[str, str], list[Origin]] = {}
    for origin in origins:
        groups.setdefault((origin.modality, origin.licence_class), []).append(origin)
    return [_LicenceClass(*key, tuple(groups[key])) for key in sorted(groups)]


class Origins(Report[Origin]):
    """Rows of every source, and of every class of licences."""

    name, title = "origins", "sources and licences"

    def measure(self, context: EvaluationContext) -> Iterable[Origin]:
        """One row per source."""
        return count_origins(context.bundle)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[Any]]:
        """Classes of licences, and the sources that are used."""
        origins = evaluation.of(Origins)
        classes: Columns[_LicenceClass] = {
            "modality": lambda group: group.modality,
            "licence class": lambda group: group.licence_class,
            "training rows": lambda group: sum(origin.n_train for origin in group.origins),
            "validation rows": lambda group: sum(origin.n_val for origin in group.origins),
            "used": lambda group: "yes" if group.origins[-1].used else "no",
        }
        yield Table("licences", classes, _group(origins))
        sources: Columns[Origin] = {
            "modality": lambda origin: origin.modality,
            "source": lambda origin: origin.source,
            "licence": lambda origin: origin.licence,
            "class": lambda origin: origin.licence_class,
            "training rows": lambda origin: origin.n_train,
            "validation rows": lambda origin: origin.n_val,
        }
        yield Table("sources", sources, [origin for origin in origins if origin.used])
