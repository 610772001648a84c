"""Banks as they lie on their topic: hashes as bytes, some thousands in a chunk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np

from sluice.config import KafkaConfig
from sluice.errors import HashError
from sluice.hashes.bank import (
    DEFAULTS,
    KINDS,
    N_BYTES,
    Bank,
    BankSettings,
    HashEntry,
    Kind,
    Rows,
    compare,
    each_once,
    parse_hash,
)
from sluice.watching.desk import Desk
from sluice.watching.records import share_count

N_TOGETHER = 4096


class _Chunk(msgspec.Struct, array_like=True, frozen=True):
    """Hashes of one kind, one behind the other, and what is known of some of them; or how the bank is matched."""

    kind: Kind | None
    values: bytes = b""
    details: Sequence[HashEntry] = ()
    settings: BankSettings | None = None


_DECODER, _ENCODER = msgspec.msgpack.Decoder(_Chunk), msgspec.msgpack.Encoder()


class BankCodec:
    """See `Codec`."""

    what = "bank"

    def empty(self) -> Bank:
        """See `Codec`."""
        return Bank()

    def pack(self, content: Bank) -> list[bytes]:
        """See `Codec`."""
        settings = [] if content.settings == DEFAULTS else [_Chunk(None, settings=content.settings)]
        chunks = [*settings, *(chunk for kind in KINDS if kind in content.hashes for chunk in _deal(content, kind))]
        return [_ENCODER.encode(chunk) for chunk in chunks]

    def unpack(self, chunks: Sequence[bytes]) -> Bank:
        """See `Codec`."""
        try:
            read = [_DECODER.decode(chunk) for chunk in chunks]
            hashes = {kind: _join(read, kind) for kind in KINDS}
            details: dict[tuple[str, bytes], HashEntry] = {
                (entry.kind, parse_hash(entry.kind, entry.value)): entry for chunk in read for entry in chunk.details
            }
        except (msgspec.MsgspecError, ValueError, RecursionError, HashError) as error:
            raise HashError(f"a chunk on the topic is none: {type(error).__name__}") from error
        settings = next((chunk.settings for chunk in read if chunk.settings), DEFAULTS)
        return Bank(settings, {kind: rows for kind, rows in hashes.items() if len(rows)}, details)

    def size(self, content: Bank) -> int:
        """See `Codec`."""
        return len(content)

    def compare(self, before: Bank, after: Bank) -> tuple[int, int]:
        """See `Codec`."""
        return compare(before, after)

    def check(self, contents: Mapping[str, Bank], changed: str) -> None:
        """Every bank that was read can be matched."""


BANKS = BankCodec()

BankDesk = Desk[Bank]


def open_desk(kafka: KafkaConfig, timeout_s: float) -> BankDesk:
    """The banks of a cluster."""
    return Desk(kafka, kafka.topics.hashes, BANKS, BANKS.check, timeout_s)


def _deal(bank: Bank, kind: Kind) -> Iterator[_Chunk]:
    rows = bank.hashes[kind]
    n_shares = share_count(len(rows), N_TOGETHER)
    shares = (rows[:, 1].astype(np.uint32) << 8 | rows[:, 6]) % n_shares
    ordered = rows[np.argsort(shares, kind="stable")]
    ends = np.cumsum(np.bincount(shares, minlength=n_shares))
    known = _by_share(bank, kind, n_shares)
    for share, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        if end > start:
            yield _Chunk(kind, ordered[start:end].tobytes(), known.get(share, ()))


def _by_share(bank: Bank, kind: Kind, n_shares: int) -> dict[int, list[HashEntry]]:
    found: dict[int, list[HashEntry]] = {}
    for (of_kind, value), entry in sorted(bank.details.items()):
        if of_kind == kind:
            found.setdefault((value[1] << 8 | value[6]) % n_shares, []).append(entry)
    return found


def _join(chunks: Sequence[_Chunk], kind: Kind) -> Rows:
    values = b"".join(chunk.values for chunk in chunks if chunk.kind == kind)
    return each_once(np.frombuffer(values, np.uint8).reshape(-1, N_BYTES[kind]))
