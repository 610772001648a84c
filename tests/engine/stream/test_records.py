"""Batches with header names that are not UTF-8, over the bound or damaged; all others as aiokafka reads them."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchBuilderPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from sluice.stream import inflation
from sluice.stream.records import MAX_TAKEN_BYTES, BoundedFetch, LenientRecords

Header = tuple[str, bytes | None]
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


class RawName(str):
    """Writes itself as bytes that are no UTF-8, as other languages' producers may."""

    def encode(self, *_: object) -> bytes:
        return b"na\xffme\xc3"


def build(codec: str, *records: tuple[bytes | None, bytes | None, list[Header]], raw: bool = True) -> bytes:
    builder_type = _DefaultRecordBatchBuilderPy if raw else DefaultRecordBatchBuilder
    builder = builder_type(magic=2, compression_type=CODECS[codec], is_transactional=0, producer_id=-1,
                           producer_epoch=-1, base_sequence=-1, batch_size=2**20)  # fmt: skip
    for offset, (key, value, headers) in enumerate(records):
        builder.append(offset, timestamp=1000 + offset, key=key, value=value, headers=headers)
    return bytes(builder.build())


def read(records: object) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    while records.has_next():  # type: ignore[attr-defined]
        batch = records.next_batch()  # type: ignore[attr-defined]
        assert batch.validate_crc()
        found += [(one.offset, one.timestamp, one.key, one.value, tuple(one.headers)) for one in batch]
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_a_name_that_is_not_utf8_is_read_with_marks_in_it(codec: str) -> None:
    headers: list[Header] = [("plain", b"1"), (RawName("x"), b"2"), ("null", None), ("plain", b"3")]
    batch = build(codec, (b"k", b"v" * 300, []), (None, None, headers), (b"", b"", [("é", b"")]))
    with pytest.raises(UnicodeDecodeError):
        read(MemoryRecords(batch))
    assert read(LenientRecords(batch + build("none", (b"next", b"", []), raw=False))) == [
        (0, 1000, b"k", b"v" * 300, ()),
        (1, 1001, None, None, (("plain", b"1"), ("na?me?", b"2"), ("null", None), ("plain", b"3"))),
        (2, 1002, b"", b"", (("é", b""),)),
        (0, 1000, b"next", b"", ()),
    ]


HEADERS = st.lists(st.tuples(st.text(max_size=9), st.none() | st.binary(max_size=9)), max_size=3)
RECORD = st.tuples(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=200), HEADERS)


@given(st.lists(RECORD, min_size=1, max_size=5), st.sampled_from(sorted(CODECS)), st.integers(0, 80))
def test_all_others_are_read_as_aiokafka_reads_them(
    records: list[tuple[bytes | None, bytes | None, list[Header]]], codec: str, n_cut: int
) -> None:
    """Also where the broker cuts off the last batch."""
    batches = build(codec, *records, raw=False) + build("none", *records, raw=False)[:n_cut]
    assert read(LenientRecords(batches)) == read(MemoryRecords(batches))
    assert LenientRecords(batches).size_in_bytes() == len(batches)


class Skips(list[tuple[int, int, str]]):
    """What was not read."""

    def note(self, start: int, end: int, why: str) -> None:
        self.append((start, end, why))


def read_with(skips: Skips, batches: bytes) -> list[tuple[object, ...]]:
    records = LenientRecords(batches)
    records.skip = skips.note
    return read(records)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_batch_that_inflates_beyond_the_bound_is_skipped_and_the_next_is_read(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflation.inflate, "__defaults__", (100_000,))
    skips = Skips()
    bomb = build(codec, (b"k", b"", []), (b"k", bytes(500_000), []), (b"k", bytes(500_000), []), raw=False)
    found = read_with(skips, bomb + build(codec, (b"next", bytes(90_000), []), raw=False))
    assert [(offset, key) for offset, _, key, *_ in found] == [(0, b"next")]
    ((start, end, why),) = skips
    assert (start, end) == (0, 3)
    assert "over 100000 bytes" in why


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("n_bytes", [0, 1, 60, 99_000])
def test_what_is_within_the_bound_is_inflated_to_the_last_byte(
    codec: str, n_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflation.inflate, "__defaults__", (100_000,))
    skips = Skips()
    assert [value for *_, value, _ in read_with(skips, build(codec, (b"k", bytes(n_bytes), []), raw=False))] == [
        bytes(n_bytes)
    ]
    assert not skips


def seal(batch: bytearray) -> bytes:
    """A batch with a checksum that is right again."""
    struct.pack_into(">I", batch, 17, calc_crc32c(bytes(batch[21:])))
    return bytes(batch)


@pytest.mark.parametrize("codec", CODECS)
def test_records_damaged_before_the_checksum_was_made_are_skipped(codec: str) -> None:
    skips = Skips()
    damaged = bytearray(build(codec, (b"k", b"v" * 50, []), (b"k", b"v" * 50, []), raw=False))
    damaged[70:] = bytes(byte ^ 0xFF for byte in damaged[70:])
    found = read_with(skips, seal(damaged) + build("none", (b"next", b"", []), raw=False))
    assert [key for _, _, key, *_ in found][-1] == b"next"
    ((start, end, why),) = skips
    assert (start <= 1, end) == (True, 2)
    assert "damaged" in why


def test_a_codec_that_is_not_known_is_skipped() -> None:
    skips = Skips()
    batch = bytearray(build("none", (b"k", b"", []), raw=False))
    batch[22] |= 5
    assert read_with(skips, seal(batch)) == []
    assert "codec 5 is not known" in skips[0][2]


def test_a_file_of_several_gzip_members_is_bounded_as_a_whole() -> None:
    head = bytearray(build("gzip", (b"k", bytes(10), []), raw=False)[: inflation.HEAD_BYTES])
    member = zlib.compressobj(wbits=31)
    data = (member.compress(bytes(60)) + member.flush()) * 3
    assert len(inflation.inflate(memoryview(bytes(head) + data), 180)) == inflation.HEAD_BYTES + 180
    with pytest.raises(inflation.NotInflated, match="over 179 bytes"):
        inflation.inflate(memoryview(bytes(head) + data), 179)


BOMB = """
import resource, sys
from sluice.stream.records import LenientRecords
batch = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
records = LenientRecords(batch)
while records.has_next():
    assert list(records.next_batch()) == []
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_200_mb_of_zeros_take_no_more_than_the_bound(codec: str) -> None:
    bomb = build(codec, (b"k", bytes(200_000_000), []), raw=False)
    ended = subprocess.run([sys.executable, "-c", BOMB], input=bomb, capture_output=True, check=True)
    grown_mib = int(ended.stdout) / 1024
    assert grown_mib < 4 * inflation.MAX_BATCH_BYTES / 2**20


def test_what_was_fetched_is_handed_over_bit_by_bit() -> None:
    waiting = [SimpleNamespace(serialized_key_size=-1, serialized_value_size=MAX_TAKEN_BYTES // 2) for _ in range(5)]

    class Fetch(BoundedFetch):
        def __init__(self) -> None:
            pass

        def getone(self) -> Any:
            return waiting.pop(0) if waiting else None

    fetch = Fetch()
    assert [len(fetch.getall(limit)) for limit in (None, 1, None, None)] == [2, 1, 2, 0]
