"""The history of all authors: events are folded into it, and it is asked what is known of a post's author."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from sluice.client.messages import Place
from sluice.features.simhash import simhash
from sluice.history.config import HistoryConfig
from sluice.history.counts import DAY_MS, HOUR_MS, Moment, Sets, count
from sluice.history.entries import NONE, Entries, Entry, count_anew, merge, read, unpack
from sluice.history.erasures import Erased, Erasure, read_erased
from sluice.history.events import Event, to_ms
from sluice.history.store import MemoryStore, RocksStore, Store, is_entries
from sluice.history.subjects import COPIES, Kind, Naming
from sluice.schema import DECISIONS, AuthorHistory, Post

KEPT_MS = 2 * DAY_MS
"""Of posts: a backlog of a day is still counted as it was."""

BLOCK = DECISIONS.index("block")

_OFFSETS, _IDENTITY, _ERASED = b"m/offsets", b"m/identity", b"m/erased"


class RememberedAuthors:
    """What is known of authors; see `sluice.verdict.authors.Authors`.

    Parameters
    ----------
    config : HistoryConfig
        With a key.
    topics : tuple of str
        What its events are read from, as the broker tells topics apart: others begin a history of their own.
    clock : callable
        Seconds since the epoch. It says what is too old to count, and when posts were published that do not say so, or
        say a time to come.

    Raises
    ------
    SettingsError
        The folder cannot be opened.
    """

    def __init__(
        self, config: HistoryConfig, topics: tuple[str, ...] = (), clock: Callable[[], float] = time.time
    ) -> None:
        self._naming = Naming(config.key)
        self._seed = self._naming.seed()
        self._half_life_ms = config.half_life_h * HOUR_MS
        self._strikes_ms = round(config.days * DAY_MS)
        self._spans: dict[Kind, int] = {
            "posts": KEPT_MS, "strikes": self._strikes_ms, "reports": KEPT_MS, "copies": KEPT_MS,
        }  # fmt: skip
        self._clock = clock
        self._store = _open_store(config)
        self._identity = self._naming.identity(*topics)
        if self._store.get(_IDENTITY) != self._identity:
            self._store.clear()
        self._erased = read_erased(self._store.get(_ERASED))
        self._swept_ms = 0

    @property
    def offsets(self) -> dict[Place, int]:
        """Of each place, the offset of the first message that is not in it yet."""
        raw = self._store.get(_OFFSETS)
        listed = msgspec.json.decode(raw, type=list[tuple[str, int, int]]) if raw else []
        return {(topic, number): offset for topic, number, offset in listed}

    def fold(self, events: Iterable[Event], offsets: Mapping[Place, int]) -> None:
        """Take events, and note how far their places are read: both or neither. By one thread."""
        come: defaultdict[tuple[Kind, bytes], list[Entry]] = defaultdict(list)
        for event in events:
            entries = list(_entries_of(event, self._naming))
            if not any(self._erased.has(subject, entry) for _, subject, entry in entries):
                for kind, subject, entry in entries:
                    come[kind, subject].append(entry)
        now_ms = to_ms(self._clock())
        changed = {
            subject: merge(self._store.get(subject), entries, now_ms - self._spans[kind])
            for (kind, subject), entries in come.items()
        }
        self._store.write({**changed, _OFFSETS: _write(self.offsets | dict(offsets)), _IDENTITY: self._identity})
        self._sweep(now_ms)

    def forget(self, erasure: Erasure) -> int:
        """Take out what an erasure names, for good; returns how many entries that were. By the thread that folds."""
        self._erased = self._erased.also(erasure).since(to_ms(self._clock()) - max(self._spans.values()))
        named = list(self._sets_with(erasure))
        changed = {subject: kept or None for subject, _, kept in named}
        self._store.write({**changed, _ERASED: self._erased.write(), _IDENTITY: self._identity})
        self._store.compact()
        return _count_gone(named)

    def count_named(self, erasure: Erasure) -> int:
        """How many entries there are that an erasure names."""
        return _count_gone(self._sets_with(erasure))

    def _sets_with(self, erasure: Erasure) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Sets that hold something of it: their keys, all of them, and what of them stays."""
        named, writers = Erased().also(erasure), self._writers(erasure)
        for subject, raw in self.entries():
            kept = named.without(subject, raw)
            for writer, posts in writers.items() if subject[:1] == COPIES else ():
                kept = count_anew(kept, writer, posts)
            if kept != raw:
                yield subject, raw, kept

    def _writers(self, erasure: Erasure) -> dict[int, bytes]:
        """Authors whose texts are counted anew, each with the posts that stay."""
        named = Erased().also(erasure)
        keys = [bytes.fromhex(key) for key in erasure.recounted]
        return {self._naming.writer_of(key): named.without(key, self._store.get(key) or b"") for key in keys}

    def _sweep(self, now_ms: int) -> None:
        """Once an hour: authors of whom nothing counts any more."""
        if now_ms - self._swept_ms > HOUR_MS:
            self._swept_ms = now_ms
            self._store.drop_before(now_ms - max(KEPT_MS, self._strikes_ms))

    def recall(self, post: Post, published_at: float | None) -> AuthorHistory | None:
        """See `Authors.recall`."""
        if not post.author_id:
            return None
        now = self._clock()
        at_ms = to_ms(now if published_at is None else min(published_at, now))
        text = simhash(post.text, self._seed) if post.text else 0
        own_id = self._naming.entry_id(post.tenant, post.id)
        return self.count(post.tenant, post.author_id, Moment(at_ms, own_id, text))

    def count(self, tenant: str | None, author: str, moment: Moment) -> AuthorHistory:
        """What is known of an author at a moment."""
        posts, strikes, reports = (self._entries(kind, tenant, author) for kind in ("posts", "strikes", "reports"))
        copies = read(self._store.get(self._naming.text(tenant, moment.text))) if moment.text else NONE
        sets = Sets(posts, strikes, reports, copies[copies["id"] != self._naming.writer_id(tenant, author)])
        return count(sets, moment, self._half_life_ms, self._strikes_ms)

    def _entries(self, kind: Kind, tenant: str | None, author: str) -> Entries:
        return read(self._store.get(self._naming.subject(kind, tenant, author)))

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """All sets, by subject, as they are stored."""
        return ((key, raw) for key, raw in self._store.items() if is_entries(key))

    def close(self) -> None:
        """Let go of the folder."""
        self._store.close()


def _entries_of(event: Event, naming: Naming) -> Iterator[tuple[Kind, bytes, Entry]]:
    """What an event adds, and to which sets."""
    by_name = naming.entry_id(event.tenant, event.name)
    if event.decision is None:  # one an hour and person: a report with a wrong time replaces no other
        hourly = naming.entry_id(event.tenant, f"{event.at_ms // HOUR_MS} {event.name}")
        yield "reports", naming.subject("reports", event.tenant, event.author), (event.at_ms, 0, by_name, hourly)
        return
    entry = (event.at_ms, event.decision, event.text, by_name)
    yield "posts", naming.subject("posts", event.tenant, event.author), entry
    if event.decision == BLOCK:
        yield "strikes", naming.subject("strikes", event.tenant, event.author), entry
    if event.text:
        writer = naming.writer_id(event.tenant, event.author)
        yield "copies", naming.text(event.tenant, event.text), (*entry[:3], writer)


def _count_gone(sets: Iterable[tuple[bytes, bytes, bytes]]) -> int:
    return sum(len({*unpack(raw)} - {*unpack(kept)}) for _, raw, kept in sets)


def _open_store(config: HistoryConfig) -> Store:
    if config.folder is None:
        return MemoryStore()
    return RocksStore(config.folder)


def _write(offsets: Mapping[Place, int]) -> bytes:
    return msgspec.json.encode([(topic, number, offset) for (topic, number), offset in sorted(offsets.items())])
