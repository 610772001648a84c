import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

from mode.utils.queues import FlowControlEvent

from sluice.stream.byte_queue import ByteQueue


@dataclass
class FakeMessage:
    value: bytes | None
    key: bytes | None = None


@dataclass
class FakeEvent:
    message: FakeMessage


@dataclass
class Partition:
    """Notes whether it is read."""

    is_read: bool = True
    changes: list[bool] = field(default_factory=list)

    def stop(self) -> None:
        self.changes.append(False)

    def go_on(self) -> None:
        self.changes.append(True)


def make_queue(max_bytes: int = 100) -> ByteQueue:
    flow = FlowControlEvent()
    flow.resume()
    return ByteQueue(maxsize=1000, flow_control=flow, max_bytes=max_bytes)


def event(n_bytes: int | None) -> Any:
    return cast(Any, FakeEvent(FakeMessage(None if n_bytes is None else bytes(n_bytes))))


async def test_a_full_queue_makes_the_next_message_wait() -> None:
    queue = make_queue()
    await queue.put(event(60))
    await queue.put(event(500))  # one more fits in, however large
    assert queue.full()
    waiting = asyncio.create_task(queue.put(event(1)))
    await asyncio.sleep(0)
    assert not waiting.done()
    await queue.get()
    await queue.get()
    await waiting
    assert queue.qsize() == 1


async def test_a_partition_is_not_read_on_until_there_is_room() -> None:
    queue, partition = make_queue(), Partition()
    for _ in range(3):
        queue.put_nowait_enhanced(event(40), on_pressure_high=partition.stop, on_pressure_drop=partition.go_on)
    queue.put_nowait_enhanced(event(0), on_pressure_high=partition.stop, on_pressure_drop=partition.go_on)
    assert partition.changes == [False]
    await queue.get()
    await queue.get()
    assert partition.changes == [False]
    await queue.get()
    assert partition.changes == [False, True]


async def test_tombstones_and_what_was_dropped_hold_nothing() -> None:
    queue = make_queue()
    await queue.put(event(None))
    await queue.put(event(100))
    assert queue.full()
    queue.clear()
    assert not queue.full()
