"""Who is to be forgotten, as ``moderation.erasures`` has it: by keyed hashes, which name nobody.

An erasure holds for everything that is dated up to its time, in whatever order a history comes to read the topics:
what it read before goes, and what it reads later of that time is not taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from sluice.history.entries import Entry, keep, pack_id
from sluice.history.events import name_reporter
from sluice.history.subjects import Kind, Naming
from sluice.strict_json import read_json

Name = Annotated[str, msgspec.Meta(pattern="^(?:[0-9a-f]{16}|[0-9a-f]{34})$")]
"""The id of an entry, or the key of a set, in hexadecimal."""

_OF_AUTHOR: tuple[Kind, ...] = ("posts", "strikes", "reports")


class Erasure(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="erasure"):
    """That somebody is to be forgotten.

    Attributes
    ----------
    id : str
        Random.
    until_ms : int
        What is dated later counts again; milliseconds since the epoch.
    names : tuple of str
        Keys of sets and ids of entries.
    recounted : tuple of str
        Keys of the posts of authors of whom only some go: what they wrote is counted anew from those that stay, so
        that no hash of a text is left that none of them has.
    """

    id: str
    until_ms: int
    names: tuple[Name, ...]
    recounted: tuple[Name, ...] = ()


class Forgotten(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="forgotten"):
    """What a process answers that has done it.

    Attributes
    ----------
    id : str
        Of the erasure.
    by : str
        Which process.
    group : str or None
        Of the workers; None for one that only answers over HTTP.
    n_erased, n_left : int
        Entries that went; and that a second look still found.
    """

    id: str
    by: str
    group: str | None
    n_erased: int
    n_left: int


_DECODER: msgspec.json.Decoder[Erasure | Forgotten] = msgspec.json.Decoder(Erasure | Forgotten)


def decode_erasure(value: bytes | None) -> Erasure | Forgotten:
    """Read a message of the topic; raises `msgspec.DecodeError`."""
    return read_json(_DECODER.decode, value or b"")


def name_author(
    naming: Naming, author: str, posted_in: Iterable[str | None], reported_in: Iterable[str | None]
) -> Iterator[bytes]:
    """What an author is called in a history, of these tenants: who posted, who was reported, and who reported."""
    for tenant in posted_in:
        yield from (naming.subject(kind, tenant, author) for kind in _OF_AUTHOR)
        yield pack_id(naming.writer_id(tenant, author))
    for tenant in reported_in:
        yield pack_id(naming.entry_id(tenant, name_reporter(author)))


def name_post(naming: Naming, post_id: str, tenants: Iterable[str | None]) -> Iterator[bytes]:
    """What a post is called in a history."""
    return (pack_id(naming.entry_id(tenant, post_id)) for tenant in tenants)


@dataclass(frozen=True, slots=True)
class Erased:
    """What is not counted any more: until when, by name."""

    until_ms: Mapping[bytes, int] = field(default_factory=dict)

    def also(self, erasure: Erasure) -> Erased:
        """Both together."""
        more = {bytes.fromhex(name): erasure.until_ms for name in erasure.names}
        return Erased({**self.until_ms, **{name: max(at, self.until_ms.get(name, 0)) for name, at in more.items()}})

    def since(self, at_ms: int) -> Erased:
        """Without those of whose time nothing counts any more."""
        return Erased({name: until for name, until in self.until_ms.items() if until >= at_ms})

    def has(self, subject: bytes, entry: Entry) -> bool:
        """Whether an entry of a set is not counted."""
        if not self.until_ms:
            return False
        at_ms, _, text, entry_id = entry
        names = [subject, pack_id(entry_id), *([pack_id(text)] if subject[:1] == b"r" else ())]  # who reported
        return any(at_ms <= self.until_ms.get(name, -1) for name in names)

    def without(self, subject: bytes, raw: bytes) -> bytes:
        """What is left of a set. Most hold no name at all, which is seen without reading their entries."""
        if subject not in self.until_ms and not any(name in raw for name in self.until_ms):
            return raw
        return keep(raw, lambda entry: not self.has(subject, entry))

    def write(self) -> bytes:
        """As it is stored."""
        return msgspec.json.encode([(name.hex(), until) for name, until in self.until_ms.items()])


def read_erased(raw: bytes | None) -> Erased:
    """What `Erased.write` wrote."""
    listed = msgspec.json.decode(raw, type=list[tuple[str, int]]) if raw else []
    return Erased({bytes.fromhex(name): until for name, until in listed})
