"""Rows of a model as batches, without anything of the worker's own batching."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sluice.contract import AUDIO_ENCODER, IMAGE_ENCODER, TEXT_ENCODER, ModelSpec
from sluice.features import Features, Row
from sluice.features.audio import extract_audio
from sluice.features.image import extract_image
from sluice.features.text import TextExtractor
from sluice.inference import Array, Arrays
from sluice.modalities.base import inputs_of
from sluice.schema import Post

ENCODERS = (TEXT_ENCODER, IMAGE_ENCODER, AUDIO_ENCODER)


def pad(arrays: Sequence[Array]) -> Array:
    """Arrays of one rank as one batch, shape = (rows, longest, ...), zeros behind the shorter ones."""
    batch = np.zeros((len(arrays), max(map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype)
    for row, array in zip(batch, arrays, strict=True):
        row[: len(array)] = array
    return batch


def make_batch(spec: ModelSpec, rows: Sequence[Arrays]) -> dict[str, Array]:
    """Inputs of one run by name, shape = (rows, ...) each."""
    return {tensor.name: pad([row[tensor.name] for row in rows]) for tensor in spec.inputs}


def cut(rows: Sequence[Any], n_rows: int) -> Iterator[Sequence[Any]]:
    """Pieces of at most so many rows, in order."""
    return (rows[start : start + n_rows] for start in range(0, len(rows), n_rows))


def length_of(row: Arrays) -> int:
    """Tokens of a text's row; of the others, something that is the same for all."""
    return len(next(iter(row.values())))


class Reader:
    """Posts to rows, as the worker makes them; media are read from their files."""

    def __init__(self) -> None:
        self._texts = TextExtractor()

    def read_texts(self, posts: Sequence[Post]) -> list[Features[Any]]:
        """Features of each post's text; of a post without text those of an empty one."""
        return list(self._texts.extract_batch([post.text or "" for post in posts]))

    def read_media(self, post: Post) -> Iterator[tuple[str, ModelSpec, Features[Any]]]:
        """Name, encoder and features of each picture and each clip."""
        for n, media in enumerate(post.images):
            yield f"image:{n}", IMAGE_ENCODER, extract_image(read_file(media.uri))
        for n, media in enumerate(post.audio):
            yield f"audio:{n}", AUDIO_ENCODER, extract_audio(read_file(media.uri))

    def rows(self, posts: Sequence[Post]) -> dict[str, list[Arrays]]:
        """All rows of the posts, by encoder."""
        found: dict[str, list[Arrays]] = {spec.name: [] for spec in ENCODERS}
        for features in self.read_texts(posts):
            found[TEXT_ENCODER.name] += as_inputs(TEXT_ENCODER, features.rows)
        for post in posts:
            for _, spec, features in self.read_media(post):
                found[spec.name] += as_inputs(spec, features.rows)
        return found


def as_inputs(spec: ModelSpec, rows: Sequence[Row]) -> list[Arrays]:
    """Rows as their encoder names their tensors."""
    return [inputs_of(spec, row) for row in rows]


def read_file(uri: str) -> bytes:
    """What a ``file:`` URI of ours names."""
    return Path(uri.removeprefix("file://")).read_bytes()
