"""Reads the training bundle: rows, their labels, and which of them may be used."""

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

from engine.errors import SettingsError
from engine.schema import LABELS

BUNDLE_LABELS = {"toxic": "toxicity"}
"""The bundle's names that differ from ours. Its `hate_symbol` has no positive rows and is not ours."""

Split = Literal["train", "val"]


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


def read_texts(bundle: Path, split: Split) -> list[Example]:
    """All usable texts of a split, in file order; raises `SettingsError` where the bundle is not there."""
    return [_example(bundle, line) for line in _usable(text_lines(bundle), split)]


def read_media(bundle: Path, modality: Literal["images", "audio"], split: Split) -> list[Example]:
    """All usable images or clips of a split, in file order."""
    lines = (json.loads(line) for line in _require(bundle / f"{modality}.jsonl").read_text("utf-8").split("\n") if line)
    return [_example(bundle, line) for line in _usable(lines, split)]


def text_lines(bundle: Path) -> Iterator[dict[str, Any]]:
    """Every row of the text file as it is, of all splits and licences."""
    with _require(bundle / "text.jsonl.zst").open("rb") as packed:
        stream = zstandard.ZstdDecompressor().stream_reader(packed)
        for line in io.TextIOWrapper(stream, encoding="utf-8", newline="\n"):
            if line.strip():
                yield json.loads(line)


def _usable(lines: Iterator[dict[str, Any]], split: Split) -> Iterator[dict[str, Any]]:
    """Rows under non-commercial terms are left out: the weights are meant to be shipped."""
    return (line for line in lines if line["split"] == split and line["licence_class"] != "nc")


def _example(bundle: Path, line: dict[str, Any]) -> Example:
    media = line.get("image") or line.get("audio")
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
