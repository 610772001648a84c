"""Record batches with header names that are not UTF-8: aiokafka decodes names strictly, Kafka takes any bytes.

A name that cannot be decoded would end the consumer, again after every restart. Batches are decoded by aiokafka's C
code; only one that it refuses for a name is read again here, with a ``?`` for every byte that is not UTF-8.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import aiokafka.consumer.fetcher as fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

_LENGTH_AT, _HEAD_BYTES = 8, 12
"""A batch starts with its base offset (8 bytes) and the length of what follows (4 bytes)."""


def read_any_header_name() -> None:
    """Let every consumer of this process read header names that are not UTF-8."""
    fetcher.MemoryRecords = LenientRecords


class LenientRecords:
    """aiokafka's `MemoryRecords`, with batches that take any header name.

    Parameters
    ----------
    records : bytes
        Record batches as a broker sends them, the last of which may be cut off.
    """

    def __init__(self, records: bytes) -> None:
        self._bytes = records
        self._at = 0
        self._records = MemoryRecords(records)

    def size_in_bytes(self) -> int:
        """Length of all batches."""
        return len(self._bytes)

    def has_next(self) -> bool:
        """Whether there is another whole batch."""
        return bool(self._records.has_next())

    def next_batch(self) -> Any:
        """The next batch, or None."""
        batch = self._records.next_batch()
        if batch is None:
            return None
        start = self._at
        (length,) = struct.unpack_from(">i", self._bytes, start + _LENGTH_AT)
        self._at = start + _HEAD_BYTES + length
        return _Batch(batch, memoryview(self._bytes)[start : self._at])


class _Batch:
    """A batch as aiokafka has it, but for how its records are read."""

    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:  # the fetcher looks into a control batch this way
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return iter(_LenientBatch(self._raw))


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """aiokafka's batch in Python, over bytes in which every header name is UTF-8."""

    def _maybe_uncompress(self) -> None:
        if not self._decompressed:
            super()._maybe_uncompress()
            records = bytearray(self._buffer)  # type: ignore[has-type]
            _mend_names(records, self._pos, self._num_records)
            self._buffer = records


def _mend_names(records: bytearray, at: int, n_records: int) -> None:
    """Write ``?`` over the bytes of header names that are not UTF-8; the lengths stay as they are."""
    for _ in range(n_records):
        length, at = decode_varint(records, at)
        end = at + length
        _mend_names_of_one(records, at + 1)
        at = end


def _mend_names_of_one(records: bytearray, at: int) -> None:
    """From a record's first field: deltas of time and offset, key, value, headers (Kafka's record format 2)."""
    for _ in range(2):
        _, at = decode_varint(records, at)
    for _ in range(2):
        at = _behind_bytes(records, at)
    n_headers, at = decode_varint(records, at)
    for _ in range(n_headers):
        length, at = decode_varint(records, at)
        records[at : at + length] = _mend(bytes(records[at : at + length]))
        at = _behind_bytes(records, at + length)


def _behind_bytes(records: bytearray, at: int) -> int:
    length, at = decode_varint(records, at)
    return int(at + max(0, length))


def _mend(name: bytes) -> bytes:
    return name.decode("utf-8", "surrogateescape").encode("utf-8", "replace")
