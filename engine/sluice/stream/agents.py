"""Faust topics and the agent that takes posts from Kafka. Decides nothing.

Every choice here answers a measured loss: `concurrency=1` and `noack`, since Faust acknowledges on any exit of the
loop's body; a delivery future that is awaited, since one that is not drops failures; offsets strictly in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any

import faust
from faust.types import EventT

from sluice.bytebudget import ByteBudget
from sluice.config import AgentConfig
from sluice.errors import SluiceError
from sluice.metrics import Metrics
from sluice.modalities.parts import trace_of
from sluice.stream.byte_queue import size_of
from sluice.stream.crashes import N_ALONE, CrashLog
from sluice.stream.dead_letters import Message
from sluice.stream.delivery import Ledger, Ticket
from sluice.stream.lanes import Leaving
from sluice.stream.moderation import Moderator
from sluice.stream.offsets import Rounds
from sluice.stream.outbox import raw_topic

logger = logging.getLogger(__name__)

Event = EventT[bytes]


class Intake:
    """Takes events from the stream, hands them to the moderator, and acknowledges them in order.

    Attributes
    ----------
    ledger_type : type of Ledger
        Decides what may be acknowledged when.
    n_taken : int
        Posts picked up so far.
    """

    ledger_type: type[Ledger[Event]] = Ledger

    def __init__(
        self, app: faust.App, config: AgentConfig, moderator: Moderator, metrics: Metrics, crashes: CrashLog
    ) -> None:
        self._app = app
        self._crashes = crashes
        self._moderator = moderator
        self._metrics = metrics
        self._ledger = self.ledger_type()
        self._rounds = Rounds()
        self._ahead = asyncio.Semaphore(config.max_ahead)
        self._memory = ByteBudget(config.max_bytes)
        self._tasks: set[asyncio.Task[None]] = set()
        self.n_taken = 0

    def oldest(self) -> float | None:
        """See `Progress.oldest`."""
        return self._ledger.oldest()

    def count(self) -> int:
        """How many posts are under way; may be asked from any thread."""
        return len(self._tasks)

    async def take(self, event: Event) -> None:
        """Start on an event as soon as there is room for it, unless its partition has gone back meanwhile.

        To be called for one event after the other: none may start beside one that has to be alone.
        """
        await self._ahead.acquire()
        await self._memory.take(_cost_of(event))
        if await self._is_suspect(event):
            await self._take_alone(event)
        elif ticket := self._open(event):
            self._start(ticket, self._moderator.handle)

    async def _is_suspect(self, event: Event) -> bool:
        """Whether the post may have ended workers before; notes first that its partition is worked on."""
        message = event.message
        if self._is_stale(event):
            return False
        await self._crashes.open(message.tp, message.generation_id, message.offset)
        return self._crashes.suspects(message.tp, message.offset)

    async def _take_alone(self, event: Event) -> None:
        """Start on an event when nothing else is in flight, and wait until it is done; one that is to blame, bury."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if ticket := self._open(event):
            is_guilty = not self._is_stale(event) and await self._begin_alone(event) >= N_ALONE
            await asyncio.wait({self._start(ticket, self._moderator.bury if is_guilty else self._moderator.handle)})
            if ticket.finished and is_guilty:
                self._crashes.acquit()
            if ticket.finished and not self._is_stale(event):
                await self._crashes.end_alone(event.message.tp, event.message.offset)

    async def _begin_alone(self, event: Event) -> int:
        return await self._crashes.begin_alone(event.message.tp, event.message.offset)

    def _open(self, event: Event) -> Ticket[Event] | None:
        partition = self._place(event)
        if not self._ledger.is_abandoned(partition):
            return self._ledger.open(partition, event)
        _forget(event)
        self._release(event)
        return None

    def _place(self, event: Event) -> Hashable:
        """Posts of one place are acknowledged in order; those of an earlier round of their partition not at all."""
        message = event.message
        place = (message.tp, message.generation_id)
        n_round = self._rounds.of(message.tp, message.generation_id, message.offset)
        if n_round:
            self._let_go(self._ledger.abandon((*place, n_round - 1)))
        return (*place, n_round)

    def _start(self, ticket: Ticket[Event], handle: Callable[[Message], Awaitable[None]]) -> asyncio.Task[None]:
        self.n_taken += 1
        self._metrics.in_flight.set(len(self._ledger))
        task = asyncio.create_task(self._run(ticket, handle))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, ticket: Ticket[Event], handle: Callable[[Message], Awaitable[None]]) -> None:
        try:
            await handle(_message(ticket.event))
        except Leaving:
            self._abandon(ticket)
        except BaseException as error:  # a panic in a Rust library is no Exception
            # Without an outcome its partition would stand still in silence: end the worker, the next one tries again.
            self._abandon(ticket)
            await crash(self._app, error)
        else:
            self._finish(ticket)

    def _finish(self, ticket: Ticket[Event]) -> None:
        for event in self._ledger.finish(ticket):
            if self._is_stale(event):
                _forget(event)
            else:
                event.ack()
            self._release(event)
        self._metrics.in_flight.set(len(self._ledger))

    def _abandon(self, ticket: Ticket[Event]) -> None:
        """Nothing behind a post without an outcome may be acknowledged: it goes back, and all behind it."""
        if n_posts := self._let_go(self._ledger.abandon_from(ticket)):
            logger.warning("%d posts of %s go back unacknowledged", n_posts, ticket.partition)

    def _let_go(self, events: list[Event]) -> int:
        for event in events:
            _forget(event)
            self._release(event)
        self._metrics.in_flight.set(len(self._ledger))
        return len(events)

    def _release(self, event: Event) -> None:
        """An event leaves: its place and its bytes are free."""
        self._ahead.release()
        self._memory.give(min(_cost_of(event), self._memory.total))

    def _is_stale(self, event: Event) -> bool:
        """Whether the partition was given away since: acknowledging now could move another worker's offsets."""
        return bool(event.message.generation_id != self._app.consumer_generation_id)


def _cost_of(event: Event) -> int:
    """Bytes of a message that is being scored: as it came, and what it was decoded to."""
    return 2 * size_of(event)


def declare_agent(app: faust.App, posts: str, intake: Intake) -> None:
    """Let `app` take events from the topic `posts`, whatever bytes they hold."""

    @app.agent(raw_topic(app, posts), name="moderate", concurrency=1)
    async def moderate(stream: Any) -> None:
        try:
            async for event in stream.noack().events():
                await intake.take(event)
        except Exception as error:  # Faust would start the agent anew, past the event that it failed on
            await crash(app, error)


async def crash(app: faust.App, error: BaseException) -> None:
    """End the worker over an error whose message may hold content: the log names where it happened, and its kind."""
    logger.critical("the worker cannot go on: %s\n%s", type(error).__name__, trace_of(error))
    await app.crash(SluiceError(type(error).__name__))


def leaving(app: faust.App) -> Callable[[], bool]:
    """Whether `app` stops or loses its partitions."""
    return lambda: bool(app.should_stop or app.rebalancing)


def _message(event: Event) -> Message:
    message = event.message
    source = f"{message.topic}/{message.partition}/{message.offset}"
    headers = message.headers or ()
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    published_at = message.timestamp if (message.timestamp or 0.0) > 0.0 else None  # Kafka's -1: there is none
    return Message(message.key, message.value, pairs, published_at, source)


def _forget(event: Event) -> None:
    """Let Faust stop waiting for an event without committing it: it reads this flag, `ack()` would commit."""
    event.message.acked = True
