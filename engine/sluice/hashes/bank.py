"""What a bank holds: hashes of some kinds, each once, and what is known of some of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.errors import HashError

Kind = Literal["pdq", "sha256", "md5"]
KINDS: tuple[Kind, ...] = get_args(Kind)
N_BYTES: Mapping[str, int] = {"pdq": 32, "sha256": 32, "md5": 16}

MAX_DISTANCE = 31
"""Of PDQ hashes of one picture; the index finds all up to it."""
MIN_QUALITY = 50
"""Below, Meta's paper says, a hash tells little."""

Rows = npt.NDArray[np.uint8]
"""Hashes, shape = (n, bytes)."""

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class HashEntry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One hash of a bank.

    Attributes
    ----------
    value : str
        In hexadecimal.
    id : str or None
        What whoever shared it calls it.
    owner, note : str or None
        Who answers for it, and why it is there.
    """

    kind: Kind
    value: str
    id: Word | None = None
    owner: Word | None = None
    note: Word | None = None

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but the hash."""
        return self.id is None and self.owner is None and self.note is None


class BankSettings(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a bank is matched.

    Attributes
    ----------
    is_negative : bool
        What matches it matches no other bank.
    distance : int
        Bits in which a PDQ hash may differ.
    quality : int
        Of a picture's PDQ hash, from 0 to 100: below it is not matched.
    """

    is_negative: bool = False
    distance: Annotated[int, msgspec.Meta(ge=0, le=MAX_DISTANCE)] = MAX_DISTANCE
    quality: Annotated[int, msgspec.Meta(ge=0, le=100)] = MIN_QUALITY


DEFAULTS = BankSettings()


@dataclass(frozen=True)
class Bank:
    """Hashes by kind, each once and in order.

    Attributes
    ----------
    hashes : mapping of str to ndarray of uint8, shape = (n, bytes)
    details : mapping of (str, bytes) to HashEntry
        Of those that have more to say.
    """

    settings: BankSettings = DEFAULTS
    hashes: Mapping[str, Rows] = field(default_factory=dict)
    details: Mapping[tuple[str, bytes], HashEntry] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.hashes.values()))

    def added_to(self, there: Bank) -> Bank:
        """Another bank with these hashes too, matched as it was; where there is none, this one."""
        if there == Bank():  # its settings count then: a negative one would find what it is to let through
            return self
        both = join(self, there)
        return Bank(there.settings, both.hashes, {**there.details, **self.details})

    def entries(self) -> Iterator[HashEntry]:
        """All of them."""
        for kind in KINDS:
            for row in self.hashes.get(kind, ()):
                yield self.entry(kind, row.tobytes())

    def entry(self, kind: Kind, value: bytes) -> HashEntry:
        """What is known of a hash that the bank has."""
        return self.details.get((kind, value)) or HashEntry(kind, value.hex())


def parse_hash(kind: str, value: str) -> bytes:
    """The bytes of a hash; raises `HashError`."""
    if kind not in N_BYTES:
        raise HashError(f"{kind!r} is none of {', '.join(KINDS)}")
    if len(value) != 2 * N_BYTES[kind]:
        raise HashError(f"a hash of {kind} is {2 * N_BYTES[kind]} hexadecimal digits, not {len(value)}")
    try:
        found = bytes.fromhex(value)
    except ValueError as error:
        raise HashError(f"a hash of {kind} is {2 * N_BYTES[kind]} hexadecimal digits") from error
    if len(found) != N_BYTES[kind]:  # there were spaces in it
        raise HashError(f"a hash of {kind} is {2 * N_BYTES[kind]} hexadecimal digits")
    return found


def make_bank(entries: Iterable[HashEntry], settings: BankSettings = DEFAULTS) -> Bank:
    """A bank of entries, of which the last one of a value counts; raises `HashError`."""
    raw: dict[str, bytearray] = {kind: bytearray() for kind in KINDS}
    details: dict[tuple[str, bytes], HashEntry] = {}
    for entry in entries:
        value = parse_hash(entry.kind, entry.value)
        raw[entry.kind] += value
        if not entry.is_plain:
            details[entry.kind, value] = msgspec.structs.replace(entry, value=value.hex())
    return Bank(settings, _rows_of(raw), details)


def _rows_of(raw: Mapping[str, bytes | bytearray]) -> dict[str, Rows]:
    rows = {kind: np.frombuffer(bytes(raw[kind]), np.uint8).reshape(-1, N_BYTES[kind]) for kind in raw if raw[kind]}
    return {kind: each_once(found) for kind, found in rows.items()}


def each_once(rows: Rows) -> Rows:
    """In order, and without those that stand twice."""
    if len(rows) < 2:
        return rows
    words = np.ascontiguousarray(rows).view(">u8")
    ordered = rows[np.lexsort(words.T[::-1])]
    is_new = np.ones(len(rows), bool)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return np.ascontiguousarray(ordered[is_new])


def join(one: Bank, other: Bank) -> Bank:
    """All that both have, matched as the second is."""
    kinds: list[str] = [kind for kind in KINDS if kind in one.hashes or kind in other.hashes]
    hashes = {kind: each_once(np.concatenate([_of(one, kind), _of(other, kind)])) for kind in kinds}
    return Bank(other.settings, hashes, {**one.details, **other.details})


def without(bank: Bank, values: Sequence[str]) -> Bank:
    """The bank without hashes, of whatever kind, given in hexadecimal; raises `HashError` for one that is not there."""
    gone = {_parse_any(value) for value in values}
    hashes, found = {}, set[bytes]()
    for kind, rows in bank.hashes.items():
        stays = np.ones(len(rows), bool)
        for value in gone:
            if len(value) == N_BYTES[kind]:
                same = (rows == np.frombuffer(value, np.uint8)).all(axis=1)
                stays &= ~same
                found |= {value} if same.any() else set()
        hashes[kind] = rows[stays]
    if gone - found:
        raise HashError(f"it has no hash {', '.join(sorted(value.hex() for value in gone - found))}")
    details = {key: entry for key, entry in bank.details.items() if key[1] not in gone}
    return Bank(bank.settings, {kind: rows for kind, rows in hashes.items() if len(rows)}, details)


def _parse_any(value: str) -> bytes:
    """A hash of whichever kind is so long."""
    kind = next((kind for kind in KINDS if len(value) == 2 * N_BYTES[kind]), "pdq")
    return parse_hash(kind, value)


def compare(before: Bank, after: Bank) -> tuple[int, int]:
    """How many hashes were added and removed."""
    both = join(before, after)
    return len(both) - len(before), len(both) - len(after)


def _of(bank: Bank, kind: str) -> Rows:
    return bank.hashes.get(kind, np.zeros((0, N_BYTES[kind]), np.uint8))
