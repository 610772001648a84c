"""Record batches as aiokafka reads them, but for what would end its consumer, again after every restart.

A header name that is not UTF-8 (Kafka takes any bytes) is read with a ``?`` for every wrong byte. A batch that inflates
beyond a bound, or is damaged inside a right checksum, is skipped, and that is said. Batches are read by aiokafka's C
code; only one that it refuses for a name is read again here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import aiokafka.consumer.fetcher as fetcher
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

from sluice.kafka import MAX_MESSAGE_BYTES
from sluice.stream.inflation import HEAD_BYTES, NotInflated, inflate

Skip = Callable[[int, int, str], None]
"""Told of offsets that are not read: from the first, up to the second and without it, and why."""

MAX_TAKEN_BYTES = 2 * MAX_MESSAGE_BYTES
"""Of one partition's records that are handed over together; one more may lie over it."""

_LENGTH_AT, _HEAD_BYTES = 8, 12
"""A batch starts with its base offset (8 bytes) and the length of what follows (4 bytes)."""

_MAGIC_AT, _FORMAT_2 = 16, 2


def read_leniently(skip: Callable[[str, int, int, int, str], None]) -> None:
    """Let every consumer of this process read like this.

    Parameters
    ----------
    skip : callable
        Topic and partition, then as `Skip`.
    """

    def open_named(place: Any, records: LenientRecords, *options: Any) -> Any:
        records.skip = partial(skip, *place)
        return PartitionRecords(place, records, *options)

    fetcher.MemoryRecords = LenientRecords
    fetcher.PartitionRecords = open_named
    fetcher.FetchResult = BoundedFetch


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
        self.skip: Skip = _ignore
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
        return _Batch(batch, memoryview(self._bytes)[start : self._at], self.skip)


def _ignore(start: int, end: int, why: str) -> None:
    """A `Skip` for records of no partition."""


class BoundedFetch(FetchResult):  # type: ignore[misc]
    """What was fetched of one partition: handed over bit by bit, so that it is inflated bit by bit."""

    def getall(self, max_records: int | None = None) -> list[Any]:
        """The next records; the rest comes with the next call."""
        found: list[Any] = []
        n_bytes = 0
        while n_bytes < MAX_TAKEN_BYTES and len(found) != max_records and (record := self.getone()) is not None:
            found.append(record)
            n_bytes += max(0, record.serialized_key_size) + max(0, record.serialized_value_size)
        return found


class _Batch:
    """A batch as aiokafka has it, but for how its records are read."""

    def __init__(self, batch: Any, raw: memoryview, skip: Skip) -> None:
        self._batch = batch
        self._raw = raw
        self._skip = skip

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:  # the fetcher looks into a control batch this way
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        if self._raw[_MAGIC_AT] < _FORMAT_2:
            yield from self._batch
            return
        next_offset = self._batch.base_offset
        try:
            for record in _read_records(inflate(self._raw)):
                yield record
                next_offset = record.offset + 1
        except NotInflated as error:
            self._skip(next_offset, self._batch.next_offset, f"{error}, in a batch of {len(self._raw)}")
        except (CorruptRecordException, ValueError, IndexError):
            self._skip(next_offset, self._batch.next_offset, f"damaged records in a batch of {len(self._raw)} bytes")


def _read_records(batch: bytes | memoryview) -> Iterator[Any]:
    """The records of a batch that is not compressed, one by one: there may be millions."""
    n_read = 0
    try:
        for record in DefaultRecordBatch(batch):
            yield record
            n_read += 1
    except UnicodeDecodeError:
        yield from islice(_LenientBatch(batch), n_read, None)


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """aiokafka's batch in Python, over bytes in which every header name is UTF-8."""

    def __init__(self, batch: bytes | memoryview) -> None:
        super().__init__(batch)
        _mend_names(self._buffer, HEAD_BYTES, self._num_records)


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
