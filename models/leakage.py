"""Looks for validation items that also stand in training: ``python -m models.leakage --bundle DIR``.

Texts count as the same by their letters and digits, images as near-duplicates by their difference hash. Only rows that
may be trained on are compared; our own templates, drawings and synthesised sounds are not part of the bundle.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image

from models.bundle import Example, read_media, read_texts
from models.console import report_errors

HASH_BITS, NEAR_BITS = 128, 8
"""Two images are near-duplicates if at most 8 of 128 bits differ."""
_SIDE = 8
Hashes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Leak:
    """A validation item and the training item that it repeats, by the bundle's ids."""

    modality: str
    source: str
    validation: str
    training: str


@dataclass(frozen=True)
class LeakReport:
    """How many validation items were compared with how many for training, and which stand in both."""

    modality: str
    n_validation: int
    n_training: int
    leaks: tuple[Leak, ...]


def normalise_text(text: str) -> str:
    """NFKC, lower case, without punctuation, spaces and what nobody sees; a text of nothing else is kept as it is."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return "".join(c for c in folded if unicodedata.category(c)[0] not in "PZC") or text


def find_text_leaks(validation: Iterable[Example], training: Iterable[Example]) -> list[Leak]:
    """Validation texts whose normalised form is also a training text's."""
    known = {normalise_text(row.text or ""): row.key for row in training}
    forms = ((row, normalise_text(row.text or "")) for row in validation)
    return [Leak("text", row.source, row.key, known[form]) for row, form in forms if form in known]


def hash_image(image: Image.Image) -> Hashes:
    """Difference hash, shape = (16,): 64 bits of brightness growing to the right and 64 downwards (Krawetz, 2013)."""
    grey = image.convert("L")
    across = np.asarray(grey.resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS), np.int16)
    down = np.asarray(grey.resize((_SIDE, _SIDE + 1), Image.Resampling.LANCZOS), np.int16)
    bits = np.concatenate([(np.diff(across, axis=1) > 0).ravel(), (np.diff(down, axis=0) > 0).ravel()])
    return np.packbits(bits)


def find_image_leaks(validation: Sequence[Example], training: Sequence[Example]) -> list[Leak]:
    """Validation images with a near-duplicate in training, each with its nearest."""
    if not validation or not training:
        return []
    known = np.stack([_hash_file(row) for row in training])
    leaks = []
    for row in validation:
        distances = np.unpackbits(known ^ _hash_file(row), axis=1).sum(axis=1)
        nearest = int(distances.argmin())
        if distances[nearest] <= NEAR_BITS:
            leaks.append(Leak("image", row.source, row.key, training[nearest].key))
    return leaks


def _hash_file(row: Example) -> Hashes:
    assert row.media is not None  # noqa: S101  (the bundle's image rows have a file)
    with Image.open(row.media) as image:
        return hash_image(image)


def report_leaks(bundle: Path) -> list[LeakReport]:
    """Compare the bundle's splits; raises `SettingsError` where the bundle is not there."""
    texts = read_texts(bundle, "val"), read_texts(bundle, "train")
    images = read_media(bundle, "images", "val"), read_media(bundle, "images", "train")
    return [
        LeakReport("text", len(texts[0]), len(texts[1]), tuple(find_text_leaks(*texts))),
        LeakReport("image", len(images[0]), len(images[1]), tuple(find_image_leaks(*images))),
    ]


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    as_json: Annotated[bool, typer.Option("--json", help="The ids of every pair as well.")] = False,
) -> None:
    """Count validation items that stand in training too; exits with 1 if there are any."""
    with report_errors():
        reports = report_leaks(bundle)
    for report in reports:
        typer.echo(json.dumps(asdict(report)) if as_json else _describe(report))
    raise typer.Exit(int(any(report.leaks for report in reports)))


def _describe(report: LeakReport) -> str:
    by_source: dict[str, int] = {}
    for leak in report.leaks:
        by_source[leak.source] = by_source.get(leak.source, 0) + 1
    sources = ", ".join(f"{source} {count}" for source, count in sorted(by_source.items()))
    line = f"{report.modality}: {len(report.leaks)} of {report.n_validation} validation items in training"
    return f"{line} ({report.n_training} items){': ' + sources if sources else ''}"


if __name__ == "__main__":
    typer.run(main)
