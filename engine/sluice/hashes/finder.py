"""Which banks a file matches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sluice.evidence import HashMatch
from sluice.features import Print
from sluice.hashes.bank import N_BYTES, Bank, HashEntry, Kind, Rows
from sluice.hashes.index import ExactIndex, PdqIndex

EXACT: tuple[Kind, ...] = ("sha256", "md5")


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What a file is known by.

    Attributes
    ----------
    part : str
        As verdicts call it.
    digests : mapping of str to bytes
        Of its bytes as they came, by kind.
    prints : sequence of Print
        Of what it shows.
    """

    part: str
    digests: Mapping[str, bytes]
    prints: Sequence[Print] = ()


def digests_of(content: bytes) -> dict[str, bytes]:
    """SHA-256 and MD5 of a file: what is shared of known files."""
    md5 = hashlib.md5(content, usedforsecurity=False)
    return {"sha256": hashlib.sha256(content).digest(), "md5": md5.digest()}


class BankFinder:
    """Finds what banks hold.

    Parameters
    ----------
    banks : mapping of str to Bank
        By name.
    """

    def __init__(self, banks: Mapping[str, Bank]) -> None:
        self._wanted = _Banks({name: bank for name, bank in banks.items() if not bank.settings.is_negative})
        self._spared = _Banks({name: bank for name, bank in banks.items() if bank.settings.is_negative})

    @property
    def knows_bytes(self) -> bool:
        """Whether a file's digests can make a difference."""
        return self._wanted.knows_bytes or self._spared.knows_bytes

    @property
    def knows_looks(self) -> bool:
        """Whether a picture's looks can: those of negative banks alone spare nothing."""
        return self._wanted.knows_looks

    def find(self, known: KnownFile) -> list[HashMatch]:
        """The nearest match of each bank: what a negative bank holds matches nothing.

        A file whose bytes it holds matches nothing at all; one that it holds by its looks, nothing by its looks.
        """
        if any(self._spared.same(known)):
            return []
        found = list(self._wanted.same(known))
        if not any(self._spared.alike(known)):
            found += self._wanted.alike(known)
        nearest: dict[str, HashMatch] = {}
        for match in sorted(found, key=lambda each: each.distance):
            nearest.setdefault(match.bank, match)
        return list(nearest.values())


class _Banks:
    """The hashes of several banks, each kind in one index."""

    def __init__(self, banks: Mapping[str, Bank]) -> None:
        self._names, self._banks = list(banks), list(banks.values())
        self._starts = {kind: self._count(kind) for kind in N_BYTES}
        exact = {kind: self._together(kind) for kind in EXACT}
        self._exact = {kind: ExactIndex(rows) for kind, rows in exact.items() if len(rows)}
        self._rows = {**exact, "pdq": self._together("pdq")}
        self._pdq = PdqIndex(self._rows["pdq"]) if len(self._rows["pdq"]) else None

    @property
    def knows_bytes(self) -> bool:
        return bool(self._exact)

    @property
    def knows_looks(self) -> bool:
        return self._pdq is not None

    def _count(self, kind: str) -> npt.NDArray[np.int_]:
        return np.cumsum([len(bank.hashes.get(kind, ())) for bank in self._banks])

    def _together(self, kind: str) -> Rows:
        rows = [bank.hashes[kind] for bank in self._banks if kind in bank.hashes]
        if len(rows) == 1:  # a large bank is not held twice
            return rows[0]
        return np.concatenate(rows) if rows else np.zeros((0, N_BYTES[kind]), np.uint8)

    def same(self, known: KnownFile) -> Iterator[HashMatch]:
        """Of the file's bytes."""
        for kind, index in self._exact.items():
            for place in index.find(known.digests[kind]) if kind in known.digests else ():
                yield self._tell(known.part, kind, place, 0)

    def alike(self, known: KnownFile) -> Iterator[HashMatch]:
        """Of what it shows."""
        for seen in known.prints if self._pdq is not None else ():
            for place, distance in self._near(seen):
                bank = self._bank_at("pdq", place)
                settings = self._banks[bank].settings
                if distance <= settings.distance and seen.quality >= settings.quality:
                    yield self._tell(known.part, "pdq", place, distance)

    def _near(self, seen: Print) -> Iterable[tuple[int, int]]:
        least = min(bank.settings.quality for bank in self._banks)
        return self._pdq.find(seen.bits) if self._pdq is not None and seen.quality >= least else ()

    def _bank_at(self, kind: str, place: int) -> int:
        return int(np.searchsorted(self._starts[kind], place, side="right"))

    def _tell(self, part: str, kind: Kind, place: int, distance: int) -> HashMatch:
        bank = self._bank_at(kind, place)
        entry: HashEntry = self._banks[bank].entry(kind, self._rows[kind][place].tobytes())
        return HashMatch(
            bank=self._names[bank],
            part=part,
            kind=kind,
            value=entry.value,
            distance=distance,
            id=entry.id,
            owner=entry.owner,
            note=entry.note,
        )
