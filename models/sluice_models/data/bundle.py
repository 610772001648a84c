"""Reads the training bundle: rows, their labels, which of them may be trained on, and which are only measured on.

A bundle may have an extension: more rows of the same kind, unpacked inside it as ``extension``, read after its own.

Nothing that repeats what is measured on is trained on: a training text that is the same as one of validation, of a
source under non-commercial terms, or of a source that is left out, is dropped; so is a training image that is nearly
the same as one of those. `sluice_models.leakage` looks whether that holds.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import zstandard

from sluice.errors import SettingsError
from sluice.schema import LABELS
from sluice_models.data.duplicates import NEAR_BITS, find_nearest, hash_files, normalise_text

BUNDLE_LABELS = {"toxic": "toxicity"}
"""The bundle's names that differ from ours. Its `hate_symbol` has no positive rows and is not ours."""

Split = Literal["train", "val"]
MediaName = Literal["images", "audio"]
EXTENSION = "extension"
"""The folder inside a bundle that holds its extension, with files of the same names."""
TEXT_FILE = "text.jsonl.zst"
NON_COMMERCIAL = "nc"
"""The licence class of rows that are never trained on."""


@dataclass(frozen=True)
class Example:
    """One row of the bundle.

    Attributes
    ----------
    key : str
        The bundle's id.
    text : str or None
    media : Path or None
        The image or clip.
    lang : str or None
    targets : ndarray of float32, shape = (labels,)
        1, 0 or NaN where not annotated.
    source : str
        The data set it comes from.
    meta : dict
        What the data set says beyond labels (votes, rationales, spans, severity).
    """

    key: str
    text: str | None
    media: Path | None
    lang: str | None
    targets: npt.NDArray[np.float32]
    source: str
    meta: dict[str, Any] = field(default_factory=dict)


def read_texts(bundle: Path, split: Split, without: frozenset[str] = frozenset()) -> list[Example]:
    """All usable texts of a split, in file order, but those of the sources `without`.

    Raises
    ------
    SettingsError
        If the bundle is not there.
    """
    measured: set[str] = set()
    kept = []
    for line in text_lines(bundle):
        if split == "train" and _is_measured(line, without):
            measured.add(normalise_text(line["text"]))
        if line["split"] == split and _is_usable(line) and line["source"] not in without:
            kept.append(line)
    if split == "train":
        kept = [line for line in kept if normalise_text(line["text"]) not in measured]
    return [_example(bundle, line) for line in kept]


def read_source_rows(bundle: Path, sources: frozenset[str]) -> list[Example]:
    """All usable texts of some sources, of either split, in file order: to measure on a source that was left out."""
    return [_example(bundle, line) for line in text_lines(bundle) if line["source"] in sources and _is_usable(line)]


def read_unused_texts(bundle: Path) -> list[Example]:
    """All texts under non-commercial terms, of either split, in file order: to measure on, never to train on."""
    return [_example(bundle, line) for line in text_lines(bundle) if not _is_usable(line)]


def read_media(bundle: Path, modality: MediaName, split: Split) -> list[Example]:
    """All usable images or clips of a split, in file order."""
    lines = list(media_lines(bundle, modality))
    kept = [_example(bundle, line) for line in lines if line["split"] == split and _is_usable(line)]
    if split != "train" or modality != "images":
        return kept
    return _drop_near(kept, [_example(bundle, line) for line in lines if _is_measured(line)])


def read_unused_media(bundle: Path, modality: MediaName) -> list[Example]:
    """All images or clips under non-commercial terms, of either split, in file order: never trained on."""
    return [_example(bundle, line) for line in media_lines(bundle, modality) if not _is_usable(line)]


def _drop_near(rows: list[Example], measured: list[Example]) -> list[Example]:
    if not rows or not measured:
        return rows
    _, distances = find_nearest(*(hash_files([row.media for row in each if row.media]) for each in (rows, measured)))
    return [row for row, distance in zip(rows, distances, strict=True) if distance > NEAR_BITS]


def text_lines(bundle: Path) -> Iterator[dict[str, Any]]:
    """Every row of the text files as it is, of all splits and licences."""
    for file in _files(bundle, TEXT_FILE):
        with file.open("rb") as packed:
            stream = zstandard.ZstdDecompressor().stream_reader(packed)
            for line in io.TextIOWrapper(stream, encoding="utf-8", newline="\n"):
                if line.strip():
                    yield json.loads(line)


def media_lines(bundle: Path, modality: MediaName) -> Iterator[dict[str, Any]]:
    """Every row of the images or clips as it is, of all splits and licences; ``media`` is relative to the bundle."""
    for file in _files(bundle, f"{modality}.jsonl"):
        folder = file.parent.relative_to(bundle)
        for text in filter(None, file.read_text("utf-8").split("\n")):
            line = json.loads(text)
            media = line.get("image") or line.get("audio")
            yield {**line, "media": str(folder / media) if media else None}


def _files(bundle: Path, name: str) -> list[Path]:
    """A file of the bundle, which must be there, and the extension's, which may be."""
    extended = bundle / EXTENSION / name
    return [_require(bundle / name), *([extended] if extended.is_file() else [])]


def _is_usable(line: dict[str, Any]) -> bool:
    """Rows under non-commercial terms are left out: the weights are meant to be shipped."""
    return bool(line["licence_class"] != NON_COMMERCIAL)


def _is_measured(line: dict[str, Any], without: frozenset[str] = frozenset()) -> bool:
    return line["split"] != "train" or not _is_usable(line) or line["source"] in without


def _example(bundle: Path, line: dict[str, Any]) -> Example:
    media = line.get("media")
    return Example(
        key=line["id"],
        text=line.get("text"),
        media=bundle / media if media else None,
        lang=line.get("lang"),
        targets=read_targets(line["labels"]),
        source=line["source"],
        meta=line.get("meta") or {},
    )


def read_targets(labels: dict[str, int | None]) -> npt.NDArray[np.float32]:
    """The bundle's labels in our order, shape = (labels,); NaN where not annotated."""
    ours = {BUNDLE_LABELS.get(name, name): value for name, value in labels.items()}
    return np.array([np.nan if ours.get(label) is None else ours[label] for label in LABELS], np.float32)


def _require(file: Path) -> Path:
    if not file.is_file():
        raise SettingsError(f"--bundle: {file} does not exist; unpack the training bundle there")
    return file
