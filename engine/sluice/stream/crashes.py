"""Which post ends the worker each time: found out from notes that travel with the committed offsets.

Whoever takes a partition on reads the note of the worker before. A worker that ended without a goodbye left ``busy``
there. After two such ends on the way to one offset, the posts behind it are scored one by one, and each is noted as
``alone`` before it is begun. So only a post that nothing else ran beside is ever blamed, and only when it happened
twice. The notes need no disk, and they go where the partition goes.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

logger = logging.getLogger(__name__)

Place = tuple[str, int]
"""Topic and partition."""

N_TOGETHER = 2
"""So many workers may end over a post that others were scored beside; then it is scored alone."""

N_ALONE = 2
"""A post over which so many workers ended while they scored nothing else is given up."""

N_SUSPECTS = 1024
"""Offsets, from the committed one on, that a worker may have been at when it ended: those in flight, and those done
since the last commit. Messages that came later are not among them."""

FORGET_S = 900.0
"""Ends further apart have nothing to do with one another; Kubernetes starts a container again after 300 s at most."""

_FORMAT = "sluice1"


class State(StrEnum):
    """What a worker does with a partition."""

    IDLE = "idle"
    """Nothing any more: it said goodbye."""
    BUSY = "busy"
    """It scores posts."""
    ALONE = "alone"
    """It scores one post and nothing else."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a worker leaves to the next one, for one partition.

    Attributes
    ----------
    state : State
    n_crashes : int
        Workers that ended without a goodbye on the way to `end`.
    end : int
        The suspects lie before this offset.
    crashed_at : int
        When the last such end was noticed, in seconds since the epoch.
    suspect, n_alone : int
        The offset that was scored alone last, and how many workers ended over it.
    """

    state: State = State.IDLE
    n_crashes: int = 0
    end: int = 0
    crashed_at: int = 0
    suspect: int = -1
    n_alone: int = 0

    def encode(self) -> str:
        """As text, for the committed offset."""
        numbers = (self.n_crashes, self.end, self.crashed_at, self.suspect, self.n_alone)
        return " ".join((_FORMAT, self.state, *map(str, numbers)))

    def take_over(self, offset: int, now: float, newest: int | None = None) -> Note:
        """The note of a worker that begins at `offset` after the one that left this note.

        Parameters
        ----------
        now : float
            In seconds since the epoch.
        newest : int or None
            The partition ends before this offset, or did a moment ago; None if that is not known.
        """
        known = self if now - self.crashed_at < FORGET_S and offset < self.end else Note(self.state)
        if known.state is State.IDLE:
            return replace(known, state=State.BUSY)
        return Note(
            State.BUSY,
            n_crashes=known.n_crashes + 1,
            end=min(known.end if known.n_crashes else offset + N_SUSPECTS, sys.maxsize if newest is None else newest),
            crashed_at=int(now),
            suspect=known.suspect,
            n_alone=known.n_alone + (known.state is State.ALONE),
        )

    def behind(self, offset: int) -> Note:
        """The note once everything before `offset` is done."""
        return self if offset < self.end or not self.n_crashes else Note(self.state)

    def suspects(self, offset: int) -> bool:
        """Whether the post at `offset` is to be scored alone."""
        return self.n_crashes >= N_TOGETHER and offset < self.end

    def alone_at(self, offset: int) -> Note:
        """The note while the post at `offset` is scored alone."""
        return replace(self, state=State.ALONE, suspect=offset, n_alone=self.n_alone if self.suspect == offset else 0)


def read_note(text: str) -> Note:
    """The note in a committed offset's text; an empty one where it is somebody else's."""
    form, _, rest = text.partition(" ")
    if form != _FORMAT:
        return Note()
    try:
        state, n_crashes, end, crashed_at, suspect, n_alone = rest.split(" ")
        return Note(State(state), int(n_crashes), int(end), int(crashed_at), int(suspect), int(n_alone))
    except ValueError:
        return Note()


class Store(Protocol):
    """Where notes are kept: beside the committed offsets."""

    async def read_text(self, place: Place) -> str:
        """What stands beside the committed offset, empty if nothing does or it cannot be read."""
        ...

    async def commit(self, place: Place, offset: int) -> bool:
        """Commit an offset, with `CrashLog.text` beside it; whether that is done."""
        ...

    def newest(self, place: Place) -> int | None:
        """The offset behind the last message, as far as it is known since the partition came to this worker."""
        ...


@dataclass(slots=True)
class CrashLog:
    """The notes of the partitions that a worker has, on its event loop; `text` may be asked for on any thread.

    Parameters
    ----------
    store : Store
    clock : callable
        Seconds since the epoch.
    """

    store: Store
    clock: Callable[[], float] = time.time
    _notes: dict[Place, Note] = field(default_factory=dict)
    _generations: dict[Place, Hashable] = field(default_factory=dict)
    _written: set[Place] = field(default_factory=set)

    async def open(self, place: Place, generation: Hashable, offset: int) -> None:
        """Note that a partition is worked on from `offset` on, once after each rebalance."""
        if self._generations.get(place) == generation:
            return
        before = read_note(await self.store.read_text(place))
        self._notes[place] = note = before.take_over(offset, self.clock(), self.store.newest(place))
        self._generations[place] = generation
        if note.n_crashes > before.n_crashes:
            logger.warning(
                "%s/%d: the worker before ended without a goodbye, at offset %d or behind: %d in a row",
                *place, offset, note.n_crashes,
            )  # fmt: skip
        await self._write(place, offset)

    def suspects(self, place: Place, offset: int) -> bool:
        """Whether the post at `offset` is to be scored alone."""
        return place in self._notes and self._notes[place].suspects(offset)

    async def begin_alone(self, place: Place, offset: int) -> int:
        """Note that nothing but the post at `offset` is scored; returns how many workers have ended over it so far."""
        self._notes[place] = note = self._notes[place].alone_at(offset)
        await self._write(place, offset)
        return note.n_alone

    async def end_alone(self, place: Place, offset: int) -> None:
        """Note that the post at `offset`, which was scored alone, is done.

        At once: the worker may end over the next one before Faust commits, and this one would be blamed with it.
        """
        self._notes[place] = replace(self._notes[place], state=State.BUSY, suspect=-1, n_alone=0)
        await self._write(place, offset + 1)

    def acquit(self) -> None:
        """Nobody is suspected any more: the post that is to blame is found."""
        self._notes = {place: Note(note.state) for place, note in self._notes.items()}

    def text(self, place: Place, offset: int) -> str:
        """What to write beside a committed offset."""
        return self._notes.get(place, Note()).behind(offset).encode()

    def say_goodbye(self) -> set[Place]:
        """The partitions that are worked on no more, and whose offsets have to be committed once again to say so."""
        self._generations.clear()
        self._notes = {place: replace(note, state=State.IDLE) for place, note in self._notes.items()}
        written, self._written = self._written, set()
        return written

    async def _write(self, place: Place, offset: int) -> None:
        if await self.store.commit(place, offset):
            self._written.add(place)
