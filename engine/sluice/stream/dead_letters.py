"""What a message is published as when it is no post: as it came, or shorter step by step until its topic takes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sluice.kafka import DETAIL_HEADER, LEFT_OUT_HEADER, REASON_HEADER, SOURCE_HEADER

Headers = Sequence[tuple[str, bytes | None]]

MAX_HEADERS_BYTES = 16 * 1024
"""Of a post's headers, kept where a topic does not take all of them."""

MAX_DETAIL_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came from Kafka.

    Attributes
    ----------
    value : bytes or None
        None for a tombstone.
    published_at : float or None
        The message's timestamp, in seconds since the epoch; None if it has none.
    source : str
        ``topic/partition/offset``.
    """

    key: bytes | None
    value: bytes | None
    headers: Headers
    published_at: float | None
    source: str

    @property
    def n_bytes(self) -> int:
        """Of the value."""
        return len(self.value or b"")


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as it is published."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def shorter_letters(message: Message, reason: str, detail: str) -> Iterator[Letter]:
    """The dead letters of a message, the whole one first, each further one shorter than the one before.

    Parameters
    ----------
    reason, detail : str
        Why it is one, for the headers.
    """
    key, value, headers = message.key, message.value, message.headers
    added = _describe(reason, detail, message.source)

    def letter(*left_out: str) -> Letter:
        said = [(LEFT_OUT_HEADER, step.encode()) for step in left_out]
        return Letter(key, value, [*headers, *added, *said])

    yield letter()
    headers, steps = short(headers), [f"headers: {len(headers) - len(short(headers))} of {len(headers)}"]
    yield letter(*steps)
    if value is not None:  # a tombstone stays one
        value, steps = b"", [*steps, f"value: {message.n_bytes} bytes"]
        yield letter(*steps)
    key, steps = _hash(key), [*steps, f"key: {len(key or b'')} bytes, its SHA-256 in its place"]
    yield letter(*steps)
    steps[0] = f"headers: all {len(message.headers)}"
    headers = ()
    yield letter(*steps)


def _describe(reason: str, detail: str, source: str) -> Headers:
    added = {REASON_HEADER: reason, DETAIL_HEADER: detail[:MAX_DETAIL_CHARS], SOURCE_HEADER: source}
    return [(name, text.encode("utf-8", "replace")) for name, text in added.items()]


def _hash(key: bytes | None) -> bytes | None:
    return None if key is None else hashlib.sha256(key).hexdigest().encode()


def short(headers: Headers) -> Headers:
    """The first headers that stay within `MAX_HEADERS_BYTES` together."""
    sizes = accumulate(len(name.encode("utf-8", "replace")) + len(value or b"") for name, value in headers)
    return [header for header, n_bytes in zip(headers, sizes, strict=True) if n_bytes <= MAX_HEADERS_BYTES]
