"""What counts as the same text, and as nearly the same image."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

HASH_BITS, NEAR_BITS = 128, 8
"""Two images are near-duplicates if at most 8 of 128 bits differ."""
_SIDE = 8
Hashes = npt.NDArray[np.uint8]


class _Letters(dict[int, str]):
    """Characters to themselves, or to nothing if they are punctuation, a space or unseen; filled as they come."""

    def __missing__(self, code: int) -> str:
        kept = "" if unicodedata.category(chr(code))[0] in "PZC" else chr(code)
        self[code] = kept
        return kept


_LETTERS = _Letters()


def normalise_text(text: str) -> str:
    """NFKC, lower case, without punctuation, spaces and what nobody sees; a text of nothing else is kept as it is."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return folded.translate(_LETTERS) or text


def hash_image(image: Image.Image) -> Hashes:
    """Difference hash, shape = (16,): 64 bits of brightness growing to the right and 64 downwards (Krawetz, 2013)."""
    grey = image.convert("L")
    across = np.asarray(grey.resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS), np.int16)
    down = np.asarray(grey.resize((_SIDE, _SIDE + 1), Image.Resampling.LANCZOS), np.int16)
    bits = np.concatenate([(np.diff(across, axis=1) > 0).ravel(), (np.diff(down, axis=0) > 0).ravel()])
    return np.packbits(bits)


@lru_cache(maxsize=32_768)
def _hash_file(file: Path) -> bytes:
    with Image.open(file) as image:
        return hash_image(image).tobytes()


def hash_files(files: Sequence[Path]) -> Hashes:
    """Hash of each file, shape = (n, 16); of a file that was hashed before, from memory."""
    return np.frombuffer(b"".join(map(_hash_file, files)), np.uint8).reshape(-1, HASH_BITS // 8)


def find_nearest(hashes: Hashes, known: Hashes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each hash its nearest among those known, and how many bits differ.

    Parameters
    ----------
    hashes, known : ndarray of uint8, shape = (n, 16) and (m, 16)
        `known` is not empty.

    Returns
    -------
    nearest, distances : ndarray of int64, shape = (n,)
        Index in `known`, and differing bits.
    """
    signs = _to_signs(hashes), _to_signs(known)
    differing = (HASH_BITS - signs[0] @ signs[1].T) / 2
    return differing.argmin(axis=1), differing.min(axis=1).astype(np.int64)


def _to_signs(hashes: Hashes) -> npt.NDArray[np.float32]:
    """Bits as 1 and -1, shape = (n, 128): a product of two then counts equal bits less differing ones."""
    return np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1
