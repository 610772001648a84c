"""From Faust's events to the moderator and back, without Faust's app and without Kafka."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from sluice.config import AgentConfig
from sluice.metrics import Metrics
from sluice.stream.agents import Intake
from sluice.stream.crashes import CrashLog, Place
from sluice.stream.dead_letters import Message
from sluice.stream.lanes import Leaving
from sluice.stream.moderation import Moderator


@dataclass
class FakeMessage:
    """What the intake reads of Faust's messages."""

    offset: int
    partition: int = 0
    generation_id: int = 1
    topic: str = "posts"
    key: bytes | None = None
    value: bytes | None = b"post"
    headers: Any = None
    timestamp: float = 0.0
    acked: bool = False

    @property
    def tp(self) -> TP:
        return TP(self.topic, self.partition)


@dataclass
class FakeEvent:
    """What the intake does with Faust's events."""

    message: FakeMessage
    committed: bool = False

    def ack(self) -> None:
        self.committed = self.message.acked = True


@dataclass
class FakeApp:
    consumer_generation_id: int = 1
    crash_reason: BaseException | None = None

    async def crash(self, reason: BaseException) -> None:
        self.crash_reason = reason


@dataclass
class FakeModerator:
    """Ends each message as told, once told."""

    endings: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    buried: list[str] = field(default_factory=list)

    async def bury(self, message: Message) -> None:
        self.buried.append(message.source)

    async def handle(self, message: Message) -> None:
        self.messages.append(message)
        await self.ending(message.source)

    def ending(self, source: str) -> asyncio.Future[None]:
        return self.endings.setdefault(source, asyncio.get_running_loop().create_future())


class FakeStore:
    """Committed offsets and what stands beside them; outlives a worker."""

    def __init__(self) -> None:
        self.committed: dict[Place, tuple[int, str]] = {}
        self.works = True
        self.end: int | None = None
        self.crashes: CrashLog

    def newest(self, place: Place) -> int | None:
        return self.end

    async def read_text(self, place: Place) -> str:
        return self.committed.get(place, (0, ""))[1]

    async def commit(self, place: Place, offset: int) -> bool:
        if self.works:
            self.committed[place] = offset, self.crashes.text(place, offset)
        return self.works


class Bench:
    """An intake over fakes."""

    def __init__(self, max_ahead: int = 8, max_bytes: int = 2**20, store: FakeStore | None = None) -> None:
        self.app = FakeApp()
        self.moderator = FakeModerator()
        self.metrics = Metrics(CollectorRegistry())
        config = AgentConfig(max_ahead=max_ahead, max_bytes=max_bytes)
        self.store = store or FakeStore()
        crashes = self.store.crashes = CrashLog(self.store, clock=lambda: 1_000.0)
        self.intake = Intake(cast(Any, self.app), config, cast(Moderator, self.moderator), self.metrics, crashes)
        self.taking: list[asyncio.Task[None]] = []
        self.turn = asyncio.Lock()

    async def take(self, offset: int, partition: int = 0, generation_id: int = 1) -> FakeEvent:
        event = FakeEvent(FakeMessage(offset, partition, generation_id))
        self.taking.append(asyncio.create_task(self._take(event)))
        await self.settle()
        return event

    async def _take(self, event: FakeEvent) -> None:
        async with self.turn:  # as the agent does: one after the other
            await self.intake.take(cast(Any, event))

    async def end(self, offset: int, partition: int = 0, error: BaseException | None = None) -> None:
        ending = self.moderator.ending(f"posts/{partition}/{offset}")
        ending.set_exception(error) if error else ending.set_result(None)
        await self.settle()

    async def settle(self) -> None:
        """Let everything run that can."""
        for _ in range(10):
            await asyncio.sleep(0)

    def in_flight(self) -> float | None:
        return self.metrics.registry.get_sample_value("sluice_posts_in_flight")


async def test_posts_are_acknowledged_in_order() -> None:
    bench = Bench()
    first, second = await bench.take(1), await bench.take(2)
    await bench.end(2)
    assert not second.committed
    await bench.end(1)
    assert first.committed
    assert second.committed
    assert bench.in_flight() == 0


async def test_posts_wait_for_the_bytes_of_those_before() -> None:
    bench = Bench(max_bytes=4 * len(b"post"))  # two of them, each as it came and as it was decoded
    await bench.take(1)
    await bench.take(2)
    await bench.take(3)
    assert len(bench.moderator.messages) == 2
    await bench.end(2)
    assert len(bench.moderator.messages) == 2  # its bytes are held until it is acknowledged
    await bench.end(1)
    assert len(bench.moderator.messages) == 3
    await bench.end(3, error=Leaving())
    await bench.take(4, generation_id=2)
    await bench.take(5, generation_id=2)
    assert len(bench.moderator.messages) == 5


async def test_a_post_that_waited_for_room_is_not_acknowledged_past_those_that_went_back() -> None:
    bench = Bench(max_ahead=1)
    first, waiting = await bench.take(1), await bench.take(2)
    await bench.end(1, error=Leaving())
    await bench.end(2)
    assert not first.committed
    assert not waiting.committed
    assert [first.message.acked, waiting.message.acked] == [True, True], "Faust would wait for them for ever"
    assert bench.in_flight() == 0


async def test_after_the_rebalance_the_partition_is_taken_again() -> None:
    bench = Bench(max_ahead=1)
    await bench.take(1)
    await bench.end(1, error=Leaving())
    await bench.take(2)
    bench.app.consumer_generation_id = 2
    bench.moderator.endings.clear()
    again = await bench.take(1, generation_id=2)
    await bench.end(1)
    assert again.committed


async def test_a_partition_begun_anew_is_acknowledged_on_its_own() -> None:
    bench = Bench()
    old = await bench.take(500)
    new = await bench.take(0)
    await bench.end(500)
    assert old.message.acked
    assert not old.committed, "it is of a topic that is gone"
    await bench.end(0)
    assert new.committed
    assert bench.in_flight() == 0


async def test_what_finishes_in_an_old_generation_is_not_acknowledged() -> None:
    bench = Bench()
    event = await bench.take(1)
    bench.app.consumer_generation_id = 2
    await bench.end(1)
    assert event.message.acked
    assert not event.committed


async def test_there_is_room_for_a_bounded_number_of_posts() -> None:
    bench = Bench(max_ahead=1)
    await bench.take(1)
    await bench.take(2)
    assert [task.done() for task in bench.taking] == [True, False]
    await bench.end(1)
    assert all(task.done() for task in bench.taking)


async def test_what_is_before_a_post_that_goes_back_is_still_acknowledged() -> None:
    bench = Bench()
    first, second, third = await bench.take(1), await bench.take(2), await bench.take(3)
    await bench.end(2, error=Leaving())
    await bench.end(1)
    await bench.end(3)
    assert [first.committed, second.committed, third.committed] == [True, False, False]


class Panic(BaseException):
    """As a library in Rust raises it."""


@pytest.mark.parametrize("error", [RuntimeError("what was said"), Panic("what was said")])
async def test_a_post_that_cannot_be_handled_at_all_ends_the_worker_unacknowledged(error: BaseException) -> None:
    bench = Bench()
    event, behind = await bench.take(1), await bench.take(2)
    await bench.end(1, error=error)
    await bench.end(2)
    assert str(bench.app.crash_reason) == type(error).__name__
    assert [event.committed, behind.committed] == [False, False]


@pytest.mark.parametrize(("timestamp", "published_at"), [(1000.5, 1000.5), (-0.001, None), (0.0, None), (None, None)])
async def test_a_message_without_a_timestamp_has_not_waited_since_1970(
    timestamp: float | None, published_at: float | None
) -> None:
    bench = Bench()
    event = FakeEvent(FakeMessage(1, timestamp=cast(Any, timestamp), value=None, headers={"a": b"1"}))
    await bench.intake.take(cast(Any, event))
    await bench.settle()
    (message,) = bench.moderator.messages
    assert message == Message(None, None, [("a", b"1")], published_at, "posts/0/1")


async def kill_at(offset: int, store: FakeStore, n_posts: int = 4) -> Bench:
    """A worker that begins at the committed offset, and is killed when it is at the post at `offset`.

    It commits as it does of itself: when it begins, and for each post that it scores alone.
    """
    bench, start = Bench(store=store), store.committed.get(PLACE, (0, ""))[0]
    for number in range(start, n_posts):
        await bench.take(number)
    for number in range(start, n_posts):
        if number < offset or bench.moderator.buried:
            await bench.end(number)
    return bench


def last(bench: Bench) -> list[str]:
    return [message.source.rpartition("/")[2] for message in bench.moderator.messages]


PLACE = TP("posts", 0)


async def test_a_post_that_ends_the_worker_is_scored_four_times_and_then_given_up() -> None:
    store = FakeStore()
    scored = [last(await kill_at(2, store)) for _ in range(4)]
    assert scored == [["0", "1", "2", "3"], ["0", "1", "2", "3"], ["0", "1", "2"], ["2"]]
    bench = await kill_at(2, store)
    assert bench.moderator.buried == ["posts/0/2"]
    assert last(bench) == ["3"], "nobody else is suspected any more"
    assert bench.in_flight() == 0


async def test_two_kills_over_a_post_that_is_scored_alone_are_one_too_few() -> None:
    """Whatever is killed from outside hits it by chance: it comes back once more, and works."""
    store = FakeStore()
    for _ in range(3):
        await kill_at(2, store)
    bench = await kill_at(99, store)
    assert last(bench) == ["2", "3"]
    assert bench.moderator.buried == []


async def test_who_was_scored_alone_before_the_one_to_blame_is_not_blamed_with_it() -> None:
    """Workers end over posts/0/0 before Faust commits anything of the other partition."""
    store, buried = FakeStore(), list[str]()
    while not buried:
        bench = Bench(store=store)
        if store.committed.get(TP("posts", 1), (0, ""))[0] == 0:
            await bench.take(0, partition=1)
        await bench.take(0)
        if last(bench) == ["0"]:
            await bench.end(0, partition=1)
        buried = bench.moderator.buried
    assert buried == ["posts/0/0"]


async def test_a_worker_that_says_goodbye_is_no_crash() -> None:
    store = FakeStore()
    for _ in range(6):
        bench = await kill_at(2, store)
        for place in store.crashes.say_goodbye():
            await store.commit(place, 0)
        assert len(last(bench)) == 4


async def test_while_one_is_scored_alone_another_partition_waits() -> None:
    store = FakeStore()
    for _ in range(2):
        await kill_at(2, store)
    bench = Bench(store=store)
    await bench.take(0, partition=1)
    await bench.take(0)
    await bench.take(1, partition=1)
    assert [message.source for message in bench.moderator.messages] == ["posts/1/0"]
    await bench.end(0, partition=1)
    assert [message.source for message in bench.moderator.messages] == ["posts/1/0", "posts/0/0"]
    await bench.end(0)
    assert bench.moderator.messages[-1].source == "posts/1/1"


async def test_without_a_store_posts_are_scored_all_the_same() -> None:
    store = FakeStore()
    store.works = False
    for _ in range(5):
        bench = await kill_at(2, store)
        assert last(bench) == ["0", "1", "2", "3"]
