"""A record of the log, and what of it can be erased.

A record has two parts. The public one says what was decided and why; it is chained: it holds the SHA-256 of the record
before, so nothing in it can ever change. The private one says about whose post, and in which words; it lies in a file
of its own. The public part holds only the private one's SHA-256, salted with 32 random bytes that lie beside it: a
keyed hash whose key is forgotten with what it hides. So the private part can be checked while it is there and erased
without touching the chain, and once it is gone nobody can find out by trying what it was.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, Literal

import msgspec

Kind = Literal["verdict", "decision", "policy", "unread", "erasure"]

FIRST = "0" * 64
"""What the first record of a chain holds in place of the hash of the one before."""

N_SALT_BYTES = 32


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The public part of a record.

    Attributes
    ----------
    prev : str
        SHA-256 of the body before, in hexadecimal; `FIRST` in the first of a chain.
    topic, partition, offset
        Where the message lay; each partition is a chain of its own.
    at_ms : int
        When it was produced, in milliseconds since 1970.
    copy_of : int or None
        Which offset this is a copy of, for a message that was written again when others were erased.
    private : str or None
        Salted SHA-256 of the private part; None where there is none.
    says : dict
        What was decided and why.
    """

    prev: str
    topic: str
    partition: int
    offset: int
    at_ms: int
    kind: Kind
    copy_of: int | None = None
    private: str | None = None
    says: dict[str, Any] = {}


class Private(msgspec.Struct, frozen=True):
    """The private part of a record.

    Attributes
    ----------
    salt : bytes
        Random.
    holds : msgspec.Raw
        A JSON object.
    """

    offset: int
    salt: bytes
    holds: msgspec.Raw

    def seal(self) -> str:
        """What the body holds of it."""
        return hashlib.sha256(self.salt + bytes(self.holds)).hexdigest()

    def read(self) -> dict[str, Any]:
        """What it holds."""
        return dict(msgspec.json.decode(self.holds))


class Line(msgspec.Struct, frozen=True):
    """A record as it is written: its body's bytes, and their hash."""

    hash: str
    body: msgspec.Raw

    def read(self) -> Body:
        """The body; raises `msgspec.DecodeError`."""
        return _BODIES.decode(self.body)

    def is_whole(self) -> bool:
        """Whether the body is the one that was hashed."""
        return self.hash == hash_body(bytes(self.body))


_BODIES = msgspec.json.Decoder(Body)
_PRIVATES = msgspec.json.Decoder(Private)
_LINES = msgspec.json.Decoder(Line)


def hash_body(body: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def make_line(body: Body) -> Line:
    """A body with its hash."""
    raw = msgspec.json.encode(body)
    return Line(hash_body(raw), msgspec.Raw(raw))


def make_private(offset: int, holds: dict[str, Any]) -> Private:
    """A private part with a salt of its own."""
    return Private(offset, secrets.token_bytes(N_SALT_BYTES), msgspec.Raw(msgspec.json.encode(holds)))


def write_lines(lines: list[Line] | list[Private]) -> bytes:
    """As JSON lines."""
    return msgspec.json.Encoder().encode_lines(lines)


def read_lines(raw: bytes) -> list[Line]:
    """Raises `msgspec.DecodeError`."""
    return [_LINES.decode(line) for line in raw.splitlines()]


def read_privates(raw: bytes) -> list[Private]:
    """Raises `msgspec.DecodeError`."""
    return [_PRIVATES.decode(line) for line in raw.splitlines()]
