"""Results that are wanted again: by what they were computed from, bounded in bytes, each computed once at a time."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, Generic, Literal, TypeVar, cast, get_args

from cachetools import LRUCache

from sluice.metrics import Metrics

ResultT = TypeVar("ResultT")

Kind = Literal["post", "part"]
"""What a result is of; labels a metric."""

Outcome = Literal["hit", "shared", "miss"]
"""Of a look-up: it is kept, under way for another post, or new."""

N_DECLINED = 4096
"""Keys that are remembered of what can never be shared."""

ENTRY_BYTES = 640
"""What a result takes beside its own bytes: its key, its places in two tables, and what is around it."""


class Repeats:
    """The results that were wanted last, by the digest of what they were computed from.

    Parameters
    ----------
    max_bytes : int
        Of all results together; a larger one is not kept.
    metrics : Metrics
        Told of every look-up and of the bytes that are held.
    """

    def __init__(self, max_bytes: int, metrics: Metrics) -> None:
        self._kept: LRUCache[bytes, tuple[Any, int]] = LRUCache(max_bytes, getsizeof=lambda kept: kept[1])
        self._under_way: dict[bytes, asyncio.Future[Any]] = {}
        self._declined: LRUCache[bytes, bool] = LRUCache(N_DECLINED)
        self._lookups = {
            (kind, outcome): metrics.cache_lookups.labels(kind, outcome)
            for kind in get_args(Kind)
            for outcome in get_args(Outcome)
        }
        metrics.cache_bytes.set_function(lambda: self._kept.currsize)

    def flight(self, kind: Kind) -> Flight[Any]:
        """A computation that is about to begin; to be used as a context."""
        return Flight(self, kind)

    def look_up(self, key: bytes) -> Any | None:
        """What is kept."""
        return self._kept.get(key, (None, 0))[0]

    def under_way(self, key: bytes) -> asyncio.Future[Any] | None:
        """What somebody else computes now; it ends with None if that cannot be shared."""
        return self._under_way.get(key)

    def is_declined(self, key: bytes) -> bool:
        """Whether what it gives can never be shared: nobody need wait for it."""
        return self._declined.get(key, False)

    def decline(self, key: bytes) -> None:
        """Note that what it gives can never be shared."""
        self._declined[key] = True

    def begin(self, key: bytes) -> None:
        """Note that the caller computes it; others wait for `end`."""
        self._under_way[key] = asyncio.get_running_loop().create_future()

    def end(self, key: bytes, result: Any | None, n_bytes: int) -> None:
        """Hand the result to those who wait, and keep it; None if there is none that they may have."""
        pending = self._under_way.pop(key)
        if not pending.done():
            pending.set_result(result)
        if result is not None and n_bytes + ENTRY_BYTES <= self._kept.maxsize:
            self._kept[key] = (result, n_bytes + ENTRY_BYTES)

    def count(self, kind: Kind, outcome: Outcome) -> None:
        """Count a look-up."""
        self._lookups[kind, outcome].inc()


class Flight(Generic[ResultT]):
    """One computation: its result is found, waited for, or made here and left to others.

    Parameters
    ----------
    repeats : Repeats
    kind : str
        See `Kind`.
    """

    def __init__(self, repeats: Repeats, kind: Kind) -> None:
        self._repeats = repeats
        self._kind: Kind = kind
        self._key: bytes | None = None
        self._result: tuple[ResultT | None, int] = (None, 0)

    def __enter__(self) -> Flight[ResultT]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._key is not None:
            self._repeats.end(self._key, *self._result)

    async def board(self, key: bytes, patience_s: float) -> ResultT | None:
        """What is kept, or what somebody else computes meanwhile.

        Parameters
        ----------
        patience_s : float
            How long to wait for somebody else.

        Returns
        -------
        result or None
            None: the caller computes it.
        """
        found = self._repeats.look_up(key)
        if found is not None:
            self._repeats.count(self._kind, "hit")
            return cast(ResultT, found)
        pending = self._repeats.under_way(key)
        if pending is not None and not self._repeats.is_declined(key):
            return await self._wait(pending, patience_s)
        self._repeats.count(self._kind, "miss")
        if pending is None:
            self._repeats.begin(key)
            self._key = key
        return None

    def land(self, result: ResultT, n_bytes: int) -> None:
        """Leave a result to whoever wants the same; without one, or on an error, those who wait compute their own."""
        self._result = result, n_bytes

    def decline(self) -> None:
        """Say that what came of this is nobody else's, and never will be: others need not wait for it."""
        if self._key is not None:
            self._repeats.decline(self._key)

    async def _wait(self, pending: asyncio.Future[ResultT | None], patience_s: float) -> ResultT | None:
        await asyncio.wait({pending}, timeout=patience_s)
        found = pending.result() if pending.done() else None
        self._repeats.count(self._kind, "miss" if found is None else "shared")
        return found


def digest(*parts: bytes) -> bytes:
    """SHA-256 of some bytes, each behind its length: no two lists of parts run into one another."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big"))
        whole.update(part)
    return whole.digest()
