"""Batches with header names that are not UTF-8, in every codec; all others as aiokafka reads them."""

from __future__ import annotations

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchBuilderPy
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from sluice.stream.records import LenientRecords

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
