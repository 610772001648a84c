"""Millions of hashes, looked up one at a time: PDQ hashes within a distance, others as they are.

PDQ hashes are cut into bands. Two that differ in up to 31 bits differ in one of 16 bands in at most one bit, and in one
of 11 in at most two: so those that agree with a band, or nearly, are all there are to compare (Norouzi, Punjani and
Fleet, "Fast exact search in Hamming space with multi-index hashing", 2014). Nothing is missed, unlike by a graph of
neighbours; and 10 million take 1.1 GB, where `faiss.IndexBinaryMultiHash` keeps a hash table's node for each bucket.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from sluice.hashes.bank import MAX_DISTANCE, Rows

_N_BITS = 256
_ALL_COMPARED = 4096
"""So many are compared one by one."""
_MANY = 2_000_000
"""From so many on, bands are longer, and looked up with two bits changed."""
_FEW_BANDS, _SHORT_BITS = 16, 16
_MANY_BANDS, _LONG_BITS = 11, 23

_BITS_SET = np.array([number.bit_count() for number in range(2**16)], np.uint8)

Indices = npt.NDArray[np.int64]


class PdqIndex:
    """Finds all hashes that differ in up to `MAX_DISTANCE` bits from one.

    Parameters
    ----------
    hashes : ndarray of uint8, shape = (n, 32)
    """

    def __init__(self, hashes: Rows) -> None:
        self._hashes = np.ascontiguousarray(hashes)
        self._bands = _Bands(self._hashes) if len(hashes) > _ALL_COMPARED else None

    def find(self, value: bytes, distance: int = MAX_DISTANCE) -> list[tuple[int, int]]:
        """Index and distance of each, the nearest first.

        Parameters
        ----------
        value : bytes
            32 of them.
        distance : int
            At most `MAX_DISTANCE`.
        """
        wanted = np.frombuffer(value, np.uint8)
        near = np.arange(len(self._hashes)) if self._bands is None else self._bands.near(wanted)
        distances = _distances(self._hashes[near], wanted)
        close = distances <= distance
        found = dict(zip(near[close].tolist(), distances[close].tolist(), strict=True))
        return sorted(found.items(), key=lambda each: each[1])


def _distances(hashes: Rows, wanted: Rows) -> npt.NDArray[np.int64]:
    differing = (hashes ^ wanted).view(np.uint16)
    return np.asarray(_BITS_SET[differing].sum(axis=1, dtype=np.int64))


class _Bands:
    """For each band the hashes in the order of its values, and where each value begins."""

    def __init__(self, hashes: Rows) -> None:
        is_many = len(hashes) > _MANY
        n_bands, self._n_bits = (_MANY_BANDS, _LONG_BITS) if is_many else (_FEW_BANDS, _SHORT_BITS)
        self._changes = _changes(self._n_bits, MAX_DISTANCE // n_bands)
        self._begins = [band * self._n_bits for band in range(n_bands)]
        self._order = np.empty((n_bands, len(hashes)), np.uint32)
        self._starts = np.zeros((n_bands, (1 << self._n_bits) + 1), np.uint32)
        for band, begin in enumerate(self._begins):
            values = _values(hashes, begin, self._n_bits)
            self._order[band] = np.argsort(values, kind="stable")
            np.cumsum(np.bincount(values, minlength=1 << self._n_bits), out=self._starts[band, 1:])

    def near(self, wanted: Rows) -> Indices:
        """Indices of all hashes that agree with one in a band, but for a few bits; some more than once."""
        found = []
        for band, begin in enumerate(self._begins):
            values = _values(wanted[None], begin, self._n_bits)[0] ^ self._changes
            starts = self._starts[band, values].astype(np.int64)
            counts = self._starts[band, values + 1].astype(np.int64) - starts
            places = np.repeat(starts - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
            found.append(self._order[band, places + np.arange(len(places))])
        return np.asarray(np.concatenate(found), np.int64)


def _changes(n_bits: int, n_changed: int) -> npt.NDArray[np.uint32]:
    """Numbers with up to so many bits set."""
    chosen = (bits for n in range(n_changed + 1) for bits in combinations(range(n_bits), n))
    return np.array([sum(1 << bit for bit in bits) for bits in chosen], np.uint32)


def _values(hashes: Rows, begin: int, n_bits: int) -> npt.NDArray[np.uint32]:
    """Some bits of each hash as a number."""
    first, last = begin // 8, (begin + n_bits - 1) // 8
    number = np.zeros(len(hashes), np.uint64)
    for column in range(first, last + 1):
        number = (number << np.uint64(8)) | hashes[:, column]
    number >>= np.uint64(8 * (last + 1) - begin - n_bits)
    return np.asarray(number & np.uint64((1 << n_bits) - 1), np.uint32)


class ExactIndex:
    """Finds a hash among others of its kind.

    Parameters
    ----------
    hashes : ndarray of uint8, shape = (n, bytes)
    """

    def __init__(self, hashes: Rows) -> None:
        begins = np.ascontiguousarray(hashes[:, :8]).view(">u8").ravel().astype(np.uint64)
        self._order = np.argsort(begins, kind="stable")
        self._begins = begins[self._order]
        self._hashes = hashes

    def find(self, value: bytes) -> list[int]:
        """Indices of those that are equal."""
        begin = np.uint64(int.from_bytes(value[:8], "big"))
        low, high = (int(np.searchsorted(self._begins, begin, side)) for side in ("left", "right"))
        wanted = np.frombuffer(value, np.uint8)
        return [int(index) for index in self._order[low:high] if (self._hashes[index] == wanted).all()]
