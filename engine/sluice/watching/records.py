"""What lies on a topic of lists or of banks: each content in chunks that are named by what they hold, and its head.

A chunk's key is ``NAME@DIGEST``, its value a part of the content. A head's key is ``NAME@``; it names the chunks. The
chunks are written first and the head after them, so a reader has either the content before a change or the one after
it, never a part of both, wherever it starts and whoever was interrupted; and a change of one entry in a million writes
one chunk. Entries go into chunks by their hash: what did not change stays in the same chunks.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec

from sluice.strict_json import read_json

MAX_CHANGES = 100
"""Of one name that are remembered."""

NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)

_DIGEST = re.compile(r"[0-9a-f]{32}")
_MAX_CHUNKS = 8192
_T = TypeVar("_T")

Action = Literal["push", "add", "take", "remove"]


class Change(msgspec.Struct, frozen=True):
    """What was done.

    Attributes
    ----------
    action : str
        ``push`` replaced what was there, ``add`` and ``take`` changed some entries, ``remove`` took all of it away.
    n_entries, n_added, n_removed : int
        After it, and by it; an entry that says something else now counts as both.
    at : str
        RFC 3339, UTC.
    by : str
        Who, as far as the client says.
    """

    version: int
    action: Action
    n_entries: int
    n_added: int
    n_removed: int
    at: str
    by: str = ""
    note: str = ""


class Head(msgspec.Struct, frozen=True):
    """Which content a name has.

    Attributes
    ----------
    chunks : tuple of str
        Their digests.
    changes : tuple of Change
        Up to `MAX_CHANGES`, the last one first.
    """

    version: int
    chunks: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def is_there(self) -> bool:
        """Whether it was not removed."""
        return not self.changes or self.changes[0].action != "remove"


@dataclass(frozen=True, slots=True)
class Content:
    """A head, and the chunks that it names."""

    head: Head
    chunks: tuple[bytes, ...]


def digest_of(chunk: bytes) -> str:
    """What a chunk is called."""
    return hashlib.sha256(chunk).hexdigest()[:32]


def key_of(name: str, digest: str = "") -> bytes:
    """The key of a chunk, or of a head."""
    return f"{name}@{digest}".encode()


def share_count(n_items: int, n_together: int) -> int:
    """Into how many chunks so many items go: a power of two, so that it changes only when they double."""
    return min(_MAX_CHUNKS, 1 << max(0, -(-n_items // n_together) - 1).bit_length())


def deal(items: Iterable[_T], n_items: int, n_together: int, key: Callable[[_T], bytes]) -> list[list[_T]]:
    """Share items out by the hash of their keys: about `n_together` each, and those of equal keys in one."""
    n_shares = share_count(n_items, n_together)
    shares: list[list[_T]] = [[] for _ in range(n_shares)]
    for item in items:
        shares[zlib.crc32(key(item)) % n_shares].append(item)
    return [share for share in shares if share]


_HEADS = msgspec.json.Decoder(Head)


@dataclass
class WatchState:
    """What a topic says after some of its records.

    Attributes
    ----------
    topic : str
        Its name.
    chunks : dict of str to dict of str to bytes
        By name and digest.
    heads : dict of str to Head
    """

    topic: str
    chunks: dict[str, dict[str, bytes]] = field(default_factory=dict)
    heads: dict[str, Head] = field(default_factory=dict)

    def apply(self, key: bytes | None, value: bytes | None) -> str | None:
        """Take one record; returns what is wrong with one that is none of ours, which changes nothing."""
        name, _, digest = (key or b"").decode("utf-8", "replace").rpartition("@")
        if not NAME.fullmatch(name) or (digest and not _DIGEST.fullmatch(digest)):
            return "a record whose key is not NAME@DIGEST or NAME@"
        if not digest:
            return self._take_head(name, value)
        if value is None:
            self.chunks.get(name, {}).pop(digest, None)
        elif digest_of(value) != digest:
            return f"the record {name}@{digest} does not hold what its key says"
        else:
            self.chunks.setdefault(name, {})[digest] = value
        return None

    def _take_head(self, name: str, value: bytes | None) -> str | None:
        try:
            if value is None:
                self.heads.pop(name, None)
            else:
                self.heads[name] = read_json(_HEADS.decode, value)
        except msgspec.DecodeError as error:
            return f"the record {name}@: {error}"
        return None

    def contents(self) -> dict[str, Content]:
        """By name, all that is there as a whole."""
        found = {name: self._content(name, head) for name, head in sorted(self.heads.items()) if head.is_there}
        return {name: content for name, content in found.items() if content is not None}

    def _content(self, name: str, head: Head) -> Content | None:
        chunks = self.chunks.get(name, {})
        held = tuple(chunks[digest] for digest in head.chunks if digest in chunks)
        return Content(head, held) if len(held) == len(head.chunks) else None

    def torn(self) -> list[str]:
        """A line for each name of which chunks are missing."""
        whole = self.contents()
        gone = [name for name, head in self.heads.items() if head.is_there and name not in whole]
        return [f"{self.topic} {name}@: chunks of version {self.heads[name].version} are missing" for name in gone]


def make_head(before: Head | None, chunks: Sequence[bytes], change: Change) -> Head:
    """The head after a change."""
    changes = before.changes if before else ()
    return Head(change.version, tuple(map(digest_of, chunks)), (change, *changes)[:MAX_CHANGES])
