"""What people do with shared lists and banks: push them, look at them, take them back. Commands and HTTP go here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from sluice.client.compacted import Record, now, read_state, write_records
from sluice.config import KafkaConfig
from sluice.errors import WatchError
from sluice.kafka import ensure_topics
from sluice.watching.records import NAME, Action, Change, Content, Head, WatchState, digest_of, key_of, make_head

ContentT = TypeVar("ContentT")

MAX_LISTED = 100
"""Names on one topic: as many as rules see."""


class Codec(Protocol[ContentT]):
    """How a content lies in chunks."""

    what: str
    """What it is called."""

    def empty(self) -> ContentT:
        """One that holds nothing."""
        ...

    def pack(self, content: ContentT) -> list[bytes]:
        """In chunks that stay the same where the content does."""
        ...

    def unpack(self, chunks: Sequence[bytes]) -> ContentT:
        """Raises `WatchError` for chunks that hold something else."""
        ...

    def size(self, content: ContentT) -> int:
        """How many entries it has."""
        ...

    def compare(self, before: ContentT, after: ContentT) -> tuple[int, int]:
        """How many entries were added and removed."""
        ...


class WatchRow(msgspec.Struct, frozen=True):
    """A name on the topic, and its last change."""

    name: str
    version: int
    n_entries: int
    at: str
    by: str
    note: str


class Desk(Generic[ContentT]):
    """A topic of lists or of banks. Every call asks Kafka, and may take a while.

    Parameters
    ----------
    kafka : KafkaConfig
        As `sluice.kafka.recognise` gives it.
    topic : str
    codec : Codec
    check : callable
        Raises `WatchError` for contents, by name, that cannot be in force together.
    timeout_s : float
        How long to wait for Kafka.

    Raises
    ------
    KafkaUnavailable
        From every call.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        topic: str,
        codec: Codec[ContentT],
        check: Callable[[Mapping[str, ContentT], str], None],
        timeout_s: float,
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._codec = codec
        self._check = check
        self._timeout_s = timeout_s

    def rows(self) -> list[WatchRow]:
        """All that is on the topic."""
        return [_row(name, content.head) for name, content in self._read().contents().items()]

    def show(self, name: str) -> ContentT:
        """What a name holds; raises `WatchError`."""
        return self._codec.unpack(self._find(self._read(), name).chunks)

    def history(self, name: str) -> Sequence[Change]:
        """What was done to a name, the last first, also after it was removed; raises `WatchError`."""
        state = self._read()
        if name not in state.heads:
            raise WatchError(self._nothing(state, name))
        return state.heads[name].changes

    def change(
        self, name: str, action: Action, edit: Callable[[ContentT], ContentT], by: str, note: str = ""
    ) -> WatchRow:
        """Put in force what `edit` makes of a name's content, which is empty where there is none.

        Raises
        ------
        WatchError
            It cannot be in force, nothing is pushed in place of what is there, or somebody changed it meanwhile.
        """
        if not NAME.fullmatch(name):
            raise WatchError(f"{name!r} is no name: 1 to 64 letters of ASCII, digits, '.', '_' and '-'")
        state = self._read()
        before = self._content(state, name)
        after = edit(before)
        if action == "push" and not self._codec.size(after):  # a file that is still being written, say
            raise WatchError(f"{name}: there is no entry in it; `remove` takes a {self._codec.what} away")
        self._refuse(state, name, after)
        head, chunks = self._make(state.heads.get(name), action, before, after, by, note)
        self._write(state, name, head, chunks)
        return _row(name, head)

    def remove(self, name: str, by: str, note: str = "") -> Change:
        """Take all of a name away; its history stays. Raises `WatchError`."""
        state = self._read()
        n_entries = self._codec.size(self._codec.unpack(self._find(state, name).chunks))
        old = state.heads[name]
        change = Change(old.version + 1, "remove", 0, 0, n_entries, now(), by, note)
        self._write(state, name, make_head(old, (), change), ())
        return change

    def _read(self) -> WatchState:
        ensure_topics(self._kafka, self._timeout_s, (self._topic,))
        return read_state(self._kafka, WatchState(self._topic), self._timeout_s)

    def _find(self, state: WatchState, name: str) -> Content:
        content = state.contents().get(name)
        if content is None:
            raise WatchError(self._nothing(state, name))
        return content

    def _nothing(self, state: WatchState, name: str) -> str:
        names = ", ".join(state.contents()) or "none"
        return f"{self._topic}: there is no {self._codec.what} {name!r}; there are: {names}"

    def _content(self, state: WatchState, name: str) -> ContentT:
        content = state.contents().get(name)
        return self._codec.empty() if content is None else self._codec.unpack(content.chunks)

    def _refuse(self, state: WatchState, name: str, after: ContentT) -> None:
        others = {each: content for each, content in state.contents().items() if each != name}
        if len(others) >= MAX_LISTED:
            raise WatchError(f"{self._topic}: {MAX_LISTED} names are there already")
        there = {each: self._codec.unpack(content.chunks) for each, content in others.items()}
        self._check({**there, name: after}, name)

    def _make(
        self, old: Head | None, action: Action, before: ContentT, after: ContentT, by: str, note: str
    ) -> tuple[Head, list[bytes]]:
        added, removed = self._codec.compare(before, after)
        version = (old.version if old else 0) + 1
        change = Change(version, action, self._codec.size(after), added, removed, now(), by, note)
        chunks = self._codec.pack(after)
        return make_head(old, chunks, change), chunks

    def _write(self, state: WatchState, name: str, head: Head, chunks: Sequence[bytes]) -> None:
        """Chunks first, then the head, then what nobody needs any more goes.

        Somebody else may do the same at the same moment, and take away what only this head names: it is written again.
        """
        there = state.chunks.get(name, {})
        new = [chunk for chunk in chunks if digest_of(chunk) not in there]
        self._send((key_of(name, digest_of(chunk)), chunk) for chunk in new)
        self._expect(name, state.heads.get(name))
        self._send([(key_of(name), msgspec.json.encode(head))])
        there = self._expect(name, head).chunks.get(name, {})
        self._send((key_of(name, digest_of(chunk)), chunk) for chunk in chunks if digest_of(chunk) not in there)
        self._send((key_of(name, digest), None) for digest in there.keys() - set(head.chunks))

    def _expect(self, name: str, head: Head | None) -> WatchState:
        """What the topic says now, if that is still the name's head."""
        state = self._read()
        if state.heads.get(name) != head:
            raise WatchError(f"{self._topic}: somebody changed {name!r} meanwhile; look at it, and try again")
        return state

    def _send(self, records: Iterator[Record] | Sequence[Record]) -> None:
        write_records(self._kafka, self._topic, records, self._timeout_s)


def _row(name: str, head: Head) -> WatchRow:
    last = head.changes[0]
    return WatchRow(name, head.version, last.n_entries, last.at, last.by, last.note)
