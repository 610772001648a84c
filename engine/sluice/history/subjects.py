"""Names of authors and posts as the history has them: hashed under a secret, so that a copy of it names nobody."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["posts", "strikes", "reports", "copies"]
"""What is counted of an author, each in a set of its own: a flood of posts must not push strikes out.
Copies are those of a text, counted by who wrote it."""

FORMAT = 5
"""Of what is stored; another one is made anew from the topics."""

COPIES = b"c"
"""What the keys of those who wrote a text begin with."""

_PREFIX: dict[Kind, bytes] = {"posts": b"p", "strikes": b"s", "reports": b"r", "copies": COPIES}


@dataclass(frozen=True, slots=True)
class Naming:
    """Hashes names: BLAKE2b, keyed.

    Parameters
    ----------
    secret : bytes
        Of any length.
    """

    secret: bytes = field(repr=False)
    _key: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_key", hashlib.blake2b(self.secret, digest_size=64).digest())

    def subject(self, kind: Kind, tenant: str | None, author: str) -> bytes:
        """Where entries of an author are kept; 17 bytes."""
        return _PREFIX[kind] + self._hash(16, "author", tenant, author)

    def entry_id(self, tenant: str | None, name: str) -> int:
        """Of a post, or of whoever reported: a number below 2 ** 64."""
        return int.from_bytes(self._hash(8, "entry", tenant, name), "little")

    def writer_id(self, tenant: str | None, author: str) -> int:
        """Of an author among those who wrote a text."""
        return self.writer_of(self.subject("posts", tenant, author))

    def writer_of(self, posts: bytes) -> int:
        """The same, by where the author's posts are kept."""
        return int.from_bytes(self._hash(8, "writer", posts.hex()), "little")

    def text(self, tenant: str | None, text: int) -> bytes:
        """Where those who wrote a text are kept, by its SimHash."""
        return _PREFIX["copies"] + self._hash(16, "copies", tenant, text)

    def seed(self) -> int:
        """For the hashes of texts."""
        return int.from_bytes(self._hash(8, "text"), "little")

    def identity(self, *topics: str) -> bytes:
        """What a store has to have been made with: this secret, this format, and these topics."""
        return self._hash(16, "store", FORMAT, *topics)

    def _hash(self, n_bytes: int, *parts: str | int | None) -> bytes:
        return hashlib.blake2b(b"".join(map(_unmistakable, parts)), digest_size=n_bytes, key=self._key).digest()


def _unmistakable(part: str | int | None) -> bytes:
    """Bytes that no other part, nor two of them in a row, come to; half a pair of surrogates has some, too."""
    written = str(part).encode("utf-8", "surrogatepass")
    return f"{type(part).__name__} {len(written)} ".encode() + written
