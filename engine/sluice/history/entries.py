"""What is kept of one author: a bounded set of entries, the same in whatever order and however often they came.

Of each post the entry that ranks highest is kept: the latest, then the strictest. Of all posts those that rank highest
are kept, up to a number. So a set is a function of what was merged into it: merging is commutative, associative and
idempotent, a second verdict on a post counts once, and a replay changes nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import starmap
from operator import itemgetter
from struct import Struct

import numpy as np
from numpy.typing import NDArray

Entry = tuple[int, int, int, int]
"""Milliseconds since the epoch, a place in `DECISIONS`, SimHash of the text (0 without one), hash of the post's id."""

Entries = NDArray[np.void]

ENTRY = np.dtype([("at", "<i8"), ("decision", "u1"), ("text", "<u8"), ("id", "<u8")])
"""The same in an array."""

_PACKED = Struct("<qBQQ")
"""The same in bytes."""

_ID = Struct("<Q")
"""The id of an entry, or its text, in bytes."""

NONE: Entries = np.empty(0, ENTRY)

MAX_ENTRIES = 1000
"""Of one kind and author: what is beyond is not counted. 25 bytes each."""


def read(raw: bytes | None) -> Entries:
    """Entries as `merge` wrote them, from the lowest rank to the highest."""
    return np.frombuffer(raw, ENTRY) if raw else NONE


def pack_id(number: int) -> bytes:
    """An entry's id, or its text, as it stands in a set."""
    return _ID.pack(number)


def newest_at(raw: bytes) -> int:
    """The time of the last entry, in milliseconds since the epoch; 0 without any."""
    return int(_PACKED.unpack_from(raw, len(raw) - _PACKED.size)[0]) if raw else 0


def unpack(raw: bytes) -> Iterator[Entry]:
    """The entries of a set, from the lowest rank to the highest."""
    return _PACKED.iter_unpack(raw)


def keep(raw: bytes, is_kept: Callable[[Entry], bool]) -> bytes:
    """Those of a set that are kept, in the same order."""
    return b"".join(_PACKED.pack(*entry) for entry in unpack(raw) if is_kept(entry))


def merge(kept: bytes | None, come: Iterable[Entry], since_ms: int = 0, n_most: int = MAX_ENTRIES) -> bytes:
    """Both together, without what is too old or too much.

    Parameters
    ----------
    since_ms : int
        Entries before that go. By the clock and not by the newest entry: one with a wrong time must not end the others.

    Returns
    -------
    bytes
        From the lowest rank to the highest, one a post. Most sets are small: for those, arrays take five times as long.
    """
    best: dict[int, Entry] = {entry[3]: entry for entry in unpack(kept or b"")}
    for entry in come:
        if entry > best.get(entry[3], (-1,)):
            best[entry[3]] = entry
    ranked = sorted(best.values())
    del ranked[: bisect_left(ranked, since_ms, key=itemgetter(0))]
    return b"".join(starmap(_PACKED.pack, ranked[-n_most:]))


def count_anew(copies: bytes, writer: int, posts: bytes) -> bytes:
    """Those who wrote a text, one of them as their own posts say it: by the latest of these with it, or not at all."""
    if _ID.pack(writer) not in copies:
        return copies
    others = keep(copies, lambda entry: entry[3] != writer)
    text = next(unpack(copies))[2]
    return merge(others, [(*post[:3], writer) for post in unpack(posts) if post[2] == text])
