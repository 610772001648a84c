"""Compressed record batches, inflated no further than to a bound: 4 MB of gzip may hold 4 GB of zeros."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cramjam

from sluice.kafka import MAX_MESSAGE_BYTES

MAX_BATCH_BYTES = 4 * MAX_MESSAGE_BYTES
"""Of a batch, inflated. Producers fill batches up to a megabyte or so, and one record may be as large as a message."""

HEAD_BYTES = 61
"""Of a batch, before its records, which alone are compressed (Kafka's record format 2)."""

_CODEC_AT, _CODEC_MASK = 22, 0x07
_GUESS = 8
_GZIP_WINDOW = 31
"""zlib's word for a window of 32 KiB and a gzip header."""
_XERIAL_MAGIC, _XERIAL_HEAD_BYTES = b"\x82SNAPPY\x00", 16


class NotInflated(Exception):
    """Why a batch cannot be read, for people."""


def inflate(batch: memoryview, max_bytes: int = MAX_BATCH_BYTES) -> bytes | memoryview:
    """Return a batch of Kafka's record format 2 with its records inflated.

    Raises
    ------
    NotInflated
        They are over the bound, damaged, or in a codec that is not known.
    """
    codec = batch[_CODEC_AT] & _CODEC_MASK
    if codec == 0:
        return batch
    if codec not in _INFLATORS:
        raise NotInflated(f"codec {codec} is not known")
    try:
        records = _INFLATORS[codec](batch[HEAD_BYTES:], max_bytes)
    except (zlib.error, cramjam.DecompressionError, ValueError) as error:
        raise NotInflated("its records are damaged") from error
    head = bytearray(batch[:HEAD_BYTES])
    head[_CODEC_AT] &= ~_CODEC_MASK
    return bytes(head) + records


def _too_large(max_bytes: int) -> NotInflated:
    return NotInflated(f"its records are over {max_bytes} bytes")


def _inflate_gzip(data: memoryview, max_bytes: int) -> bytes:
    """All members of a gzip file."""
    found, rest = bytearray(), bytes(data)
    while rest:
        member = zlib.decompressobj(_GZIP_WINDOW)
        found += member.decompress(rest, max_bytes - len(found) + 1)
        if len(found) > max_bytes:
            raise _too_large(max_bytes)
        if not member.eof:
            raise ValueError("cut off")
        rest = member.unused_data
    return bytes(found)


def _inflate_into(decompress: Callable[[Any, bytearray], int]) -> Callable[[memoryview, int], bytes]:
    """An inflator of what can write into a buffer of a given size, and says when that is full."""

    def run(data: memoryview, max_bytes: int) -> bytes:
        n_bytes = min(max_bytes, _GUESS * len(data) + 1024)
        while True:
            buffer = bytearray(n_bytes)
            try:
                return bytes(buffer[: decompress(bytes(data), buffer)])
            except cramjam.DecompressionError as error:
                if "whole buffer" not in str(error):
                    raise
            if n_bytes == max_bytes:
                raise _too_large(max_bytes)
            n_bytes = min(max_bytes, _GUESS * n_bytes)

    return run


def _inflate_snappy(data: memoryview, max_bytes: int) -> bytes:
    """One raw block, or several behind one another as the Java library writes them."""
    blocks = list(_xerial_blocks(data)) if data[: len(_XERIAL_MAGIC)] == _XERIAL_MAGIC else [data]
    if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > max_bytes:
        raise _too_large(max_bytes)
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def _xerial_blocks(data: memoryview) -> Iterator[memoryview]:
    at = _XERIAL_HEAD_BYTES
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : end]
        at = end


_INFLATORS: dict[int, Callable[[memoryview, int], bytes]] = {
    1: _inflate_gzip,
    2: _inflate_snappy,
    3: _inflate_into(cramjam.lz4.decompress_into),
    4: _inflate_into(cramjam.zstd.decompress_into),
}
"""By the number of the codec in a batch's attributes."""
