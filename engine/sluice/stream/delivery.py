"""How much one worker takes on, and in which order posts are acknowledged. Pure bookkeeping: no Faust, no Kafka.

Kafka remembers one offset per partition: everything before it counts as done. So a finished post may be acknowledged
only once every post before it is finished, however long the one at the head takes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Ticket(Generic[T]):
    """One post between pick-up and acknowledgement."""

    partition: Hashable
    event: T
    finished: bool = False
    abandoned: bool = False
    opened_at: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Ledger(Generic[T]):
    """The posts that are picked up and not yet acknowledged, per partition in the order of their offsets."""

    _open: dict[Hashable, deque[Ticket[T]]] = field(default_factory=dict)
    _abandoned: set[Hashable] = field(default_factory=set)

    def open(self, partition: Hashable, event: T) -> Ticket[T]:
        """Note a post; within a partition, call this in offset order."""
        ticket = Ticket(partition, event)
        self._open.setdefault(partition, deque()).append(ticket)
        return ticket

    def finish(self, ticket: Ticket[T]) -> list[T]:
        """Note that the post's outcome is safe in Kafka; returns what may be acknowledged now, in order."""
        ticket.finished = True
        tickets: deque[Ticket[T]] = self._open.get(ticket.partition, deque())
        acknowledgeable = []
        while tickets and tickets[0].finished:
            acknowledgeable.append(tickets.popleft().event)
        if not tickets:
            self._open.pop(ticket.partition, None)
        return acknowledgeable

    def abandon(self, partition: Hashable) -> list[T]:
        """Forget a partition's posts, finished or not, and return them: they will be delivered again."""
        self._abandoned.add(partition)
        tickets = self._open.pop(partition, ())
        for ticket in tickets:
            ticket.abandoned = True
        return [ticket.event for ticket in tickets]

    def abandon_from(self, ticket: Ticket[T]) -> list[T]:
        """Forget a post and those behind it, finished or not, and return them; those before it can still be finished.

        Nothing, if it is forgotten already.
        """
        self._abandoned.add(ticket.partition)
        tickets: deque[Ticket[T]] = self._open.get(ticket.partition, deque())
        gone: list[T] = []
        while tickets and not ticket.abandoned:
            last = tickets.pop()
            last.abandoned = True
            gone.append(last.event)
        if not tickets:
            self._open.pop(ticket.partition, None)
        return gone[::-1]

    def is_abandoned(self, partition: Hashable) -> bool:
        """Whether posts of the partition were let go: to acknowledge a later one would lose them."""
        return partition in self._abandoned

    def oldest(self) -> float | None:
        """When the oldest post was picked up, on the monotonic clock; None without one."""
        return min((tickets[0].opened_at for tickets in self._open.values()), default=None)

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))
