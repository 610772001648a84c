"""Faust's Kafka consumer, made to lose and skip nothing in silence. What we rely on inside Faust and aiokafka is here.

Faust reads what transactions did not commit, drops offsets below the committed one, unrolls holes of offsets into
lists, and never commits behind the last message. All of that is decided anew here, on `Progress`, which the order of
acknowledgement makes simple.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import faust
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from mode.utils.futures import notify

from sluice.stream.crashes import CrashLog, Place
from sluice.stream.fast_path import Eager
from sluice.stream.offsets import Progress, Skipped
from sluice.stream.records import read_leniently

logger = logging.getLogger(__name__)
faust_logger = logging.getLogger("faust")
"""Of what Faust says of these classes; it would take this module's otherwise."""

FETCH_WAIT_MS = 1500
"""How long a broker holds back the answer to a fetch that finds nothing; a message that comes meanwhile ends it."""

EMBEDDED_FETCH_WAIT_MS = 5
"""The embedded broker waits to the end also when a message comes meanwhile."""

MANY_POSTS = 8
"""Under way: more come sooner than the models can take them."""

BUSY_FETCH_WAIT_MS, BUSY_FETCH_BYTES = 20, 2**20
"""While there are many, a fetch gathers so long, or so much: one for each post costs the worker a fifth of its time."""

RESET_TIMEOUT_S = 5.0
"""To find out where a partition starts and ends; it is tried again at the next fetch."""

NOTE_TIMEOUT_S = 5.0
"""To read or commit a note; a post does not wait longer for it."""


@dataclass(frozen=True, slots=True)
class Span:
    """What of a partition is there to read: from `position` to `end`, half open."""

    position: int
    end: int


class _Thread(AIOKafkaConsumerThread):
    """The thread that fetches. Runs on a loop of its own."""

    logger = faust_logger

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        """Faust has no settings for these; aiokafka reads them when it starts."""
        read_leniently(cast(WorkerTransport, self.transport).skipped.note)
        consumer: Any = super()._create_consumer(loop)
        consumer._isolation_level = "read_committed"
        consumer._auto_offset_reset = "none"  # `_fetch_records` decides
        consumer._fetch_max_wait_ms = cast(WorkerTransport, self.transport).fetch_wait_ms
        consumer.commit = partial(self._commit_with_notes, consumer.commit)
        return consumer

    async def _commit_with_notes(self, commit: Any, offsets: Mapping[TP, OffsetAndMetadata]) -> None:
        """Faust commits offsets with an empty text beside them."""
        text = cast(WorkerTransport, self.transport).crashes.text
        await commit({place: OffsetAndMetadata(one.offset, text(place, one.offset)) for place, one in offsets.items()})

    async def read_text(self, place: Place) -> str:
        """What stands beside the committed offset; empty if nothing does, or it is not known in time."""
        try:
            async with asyncio.timeout(NOTE_TIMEOUT_S):
                found = await self._ensure_consumer()._coordinator.fetch_committed_offsets([place])
        except (KafkaError, TimeoutError) as error:
            logger.warning("%s/%d: its note cannot be read: %s", *place, type(error).__name__)
            return ""
        return found[place].metadata if place in found else ""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go back to what is committed; a worker without partitions has nothing to go back to."""
        return await super().seek_to_committed() if self.assignment() else {}

    async def _fetch_records(self, *args: Any, **limits: Any) -> Any:
        consumer = self._ensure_consumer()
        if self.consumer.flow_active:
            await self._begin_anew(consumer)
            self._pace(consumer)
        try:
            return await super()._fetch_records(*args, **limits)
        except OffsetOutOfRangeError as error:
            for partition, position in error.args[0].items():
                await self._begin(consumer, partition, position)
        except NoOffsetForPartitionError as error:
            await self._begin(consumer, error.args[0], None)
        return {}

    def _pace(self, consumer: Any) -> None:
        """Say how the next fetch is to wait; aiokafka reads it whenever it sends one."""
        transport = cast(WorkerTransport, self.transport)
        is_busy = transport.count_posts() >= MANY_POSTS and transport.fetch_wait_ms > BUSY_FETCH_WAIT_MS
        fetcher = consumer._fetcher
        fetcher._fetch_max_wait_ms = BUSY_FETCH_WAIT_MS if is_busy else transport.fetch_wait_ms
        fetcher._fetch_min_bytes = BUSY_FETCH_BYTES if is_busy else 1

    async def _begin(self, consumer: Any, partition: TP, position: int | None) -> None:
        """Read a partition from its first message: what is at `position` is not there, or nothing was read yet."""
        try:
            async with asyncio.timeout(RESET_TIMEOUT_S):
                start = (await consumer.beginning_offsets([partition]))[partition]
        except (KafkaError, TimeoutError) as error:
            logger.warning("%s/%d: where it starts is not known yet: %s", *partition, type(error).__name__)
            return
        if partition not in consumer.assignment():
            return
        consumer.seek(partition, start)
        cast(WorkerTransport, self.transport).note_begin(partition, position, start)

    async def _begin_anew(self, consumer: Any) -> None:
        """Begin what has to be read anew; what cannot be begun yet is tried again at the next fetch."""
        transport = cast(WorkerTransport, self.transport)
        for partition in transport.not_begun(consumer.assignment()):
            await self._begin(consumer, partition, None)

    def spans(self) -> dict[TP, Span]:
        """What is left to read of each partition whose position is known."""
        subscription = self._ensure_consumer()._subscription.subscription
        if subscription is None or subscription.assignment is None:
            return {}
        states = {
            partition: subscription.assignment.state_value(partition) for partition in subscription.assignment.tps
        }
        return {
            TP(*partition): Span(state.position, state.highwater or state.position)
            for partition, state in states.items()
            if state is not None and state.has_valid_position
        }


class _Consumer(Eager, Consumer):
    """Commits what `Progress` says. Runs on the worker's loop."""

    logger = faust_logger

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._progress: defaultdict[TP, Progress] = defaultdict(Progress)

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let go of partitions; the last commits come within."""
        await super().on_partitions_revoked(revoked)
        for partition in revoked:
            self._progress.pop(partition, None)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109  (as Faust has it)
        """What was fetched; then notes how far everything is that was."""
        generation = self.app.consumer_generation_id
        async for partition, message in super().getmany(timeout):
            self._read_offset[partition] = None  # else Faust drops an offset below, and unrolls a hole before it
            yield partition, message
            self._progress[partition].delivered = message.offset
        if self.flow_active and generation == self.app.consumer_generation_id:
            self._note_positions()

    def spans(self) -> dict[TP, Span]:
        """See `_Thread.spans`."""
        return cast(_Thread, self._thread).spans()

    def _note_positions(self) -> None:
        spans = self.spans()
        if spans:  # else the topic may be gone, and what was unread of it with it
            cast(WorkerTransport, self.transport).unread = spans
        for partition, span in spans.items():
            self._progress[partition].position = span.position

    def ack(self, message: Any) -> bool:
        """Note a message as done; they come in order, one round of a partition after the other."""
        message.acked = True
        self._unacked_messages.discard(message)
        self._progress[message.tp].done = message.offset
        notify(self._waiting_for_ack)
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter(list(self._progress))

    def _new_offset(self, tp: TP) -> int | None:
        return self._progress[tp].committable()

    def _should_commit(self, tp: TP, offset: int) -> bool:
        """Never the same again: the topic may be another one by now."""
        return offset != self._progress[tp].committed

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        did_commit = await super()._commit(offsets)
        for partition, offset in offsets.items() if did_commit else ():
            self._progress[partition].committed = offset
        return did_commit

    def forget_committed(self, partition: TP) -> None:
        """What is committed is of another time: any offset may be committed again."""
        self._progress[partition].committed = 0

    async def read_text(self, place: Place) -> str:
        """See `crashes.Store`."""
        return str(await self._thread.call_thread(cast(_Thread, self._thread).read_text, place))

    async def commit_note(self, place: Place, offset: int) -> bool:
        """See `crashes.Store.commit`; what is not committed in time is left to itself."""
        committing = asyncio.create_task(self._commit({TP(*place): offset}))
        await asyncio.wait({committing}, timeout=NOTE_TIMEOUT_S)
        return committing.done() and committing.result()

    async def wait_empty(self) -> None:
        """Wait for what is in flight, and commit; a worker that did not crash says goodbye to its partitions."""
        await super().wait_empty()
        if self.app.crash_reason is None:
            for place in cast(WorkerTransport, self.transport).crashes.say_goodbye():
                progress = self._progress[TP(*place)]
                await self.commit_note(place, progress.committable() or progress.committed)

    async def perform_seek(self) -> None:
        """Go on from what is committed."""
        await super().perform_seek()
        for partition, offset in self._committed_offset.items():
            self._progress[partition].committed = offset or 0


class WorkerTransport(Transport):
    """What the worker's app reads through.

    Parameters
    ----------
    fetch_wait_ms : int
        See `FETCH_WAIT_MS`.

    Attributes
    ----------
    unread : dict of TP to Span
        What was left to read of each partition when it was last looked at.
    crashes : CrashLog
        What is noted beside committed offsets.
    skipped : Skipped
        Told of what is not read.
    count_posts : callable
        How many posts are under way; asked from the thread that reads.
    """

    Consumer = _Consumer

    def __init__(self, app: faust.App, skipped: Skipped, fetch_wait_ms: int = FETCH_WAIT_MS) -> None:
        super().__init__(app.conf.broker_consumer, app)
        self.fetch_wait_ms = fetch_wait_ms
        self.unread: dict[TP, Span] = {}
        self.crashes = CrashLog(self)
        self.skipped = skipped
        self.count_posts: Callable[[], int] = lambda: 0
        self._is_anew = False
        self._begun: set[TP] = set()
        self._n_not_begun = 0

    async def read_text(self, place: Place) -> str:
        """See `crashes.Store`."""
        return await cast(_Consumer, self.app.consumer).read_text(place)

    async def commit(self, place: Place, offset: int) -> bool:
        """See `crashes.Store`."""
        return await cast(_Consumer, self.app.consumer).commit_note(place, offset)

    def newest(self, place: Place) -> int | None:
        """See `crashes.Store`."""
        span = cast(_Consumer, self.app.consumer).spans().get(TP(*place))
        return span.end if span else None

    def note_begin(self, partition: TP, position: int | None, start: int) -> None:
        """Note that a partition is read from `start` on, although `position` came next."""
        self._begun.add(partition)
        cast(_Consumer, self.app.consumer).forget_committed(partition)
        if position is None:
            return
        if position < start:
            self.skipped.note(partition.topic, partition.partition, position, start, "Kafka had deleted them")
        else:
            logger.warning("%s/%d: offset %d is not there any more: reading from %d on", *partition, position, start)

    def not_begun(self, assigned: Iterable[TP]) -> list[TP]:
        """The partitions that are still to be begun, while the topic is read anew."""
        waiting = [partition for partition in assigned if partition not in self._begun] if self._is_anew else []
        self._n_not_begun = len(waiting)
        return waiting

    async def read_anew(self) -> None:
        """Begin every partition at its first message, now or when it is assigned: the topic is another one."""
        for partition, span in self.unread.items():
            self.skipped.note(*partition, span.position, span.end, "the topic was deleted")
        self.unread.clear()
        self._begun.clear()
        self._is_anew = True

    def settle(self) -> None:
        """The topic is still the same: what has been begun is read on."""
        if self._begun and not self._n_not_begun:
            self._is_anew = False
