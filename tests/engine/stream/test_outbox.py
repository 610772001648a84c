"""Who goes alone meets nobody; what a batch was refused for is tried alone."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from faust.exceptions import ProducerSendError

from sluice.config import Topics
from sluice.errors import MessageRefused
from sluice.stream.outbox import FaustOutbox

TOPICS = Topics()


class FakeProducer:
    """Sends to a broker that refuses a batch as a whole."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.going: list[bytes] = []
        self.taken: list[bytes] = []

    async def send(self, topic: str, key: bytes | None, value: bytes, *_: object) -> asyncio.Future[None]:
        self.going.append(value)
        delivery = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(self._deliver, value, delivery)
        return delivery

    def _deliver(self, value: bytes, delivery: asyncio.Future[None]) -> None:
        batch, self.going = self.going, []
        if value not in batch:
            batch.append(value)
        if sum(map(len, batch)) > self.limit:
            self.going = [one for one in batch if one != value]
            delivery.set_exception(MessageSizeTooLargeError())
        else:
            self.taken.append(value)
            delivery.set_result(None)


class FakeApp:
    """Has a producer that runs."""

    def __init__(self, producer: object) -> None:
        self._producer = producer

    async def maybe_start_producer(self) -> object:
        return self._producer


async def send(outbox: FaustOutbox, value: bytes) -> None:
    await outbox.send(TOPICS.verdicts, b"k", value, [])


async def test_only_what_is_too_large_on_its_own_is_refused() -> None:
    producer = FakeProducer(limit=10)
    outbox = FaustOutbox(cast(Any, FakeApp(producer)))
    values = [b"%d" % n * 6 for n in range(5)] + [b"x" * 11]
    outcomes = await asyncio.gather(*(send(outbox, value) for value in values), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None)] * 5 + [MessageRefused]
    assert sorted(producer.taken) == values[:5]


@pytest.mark.parametrize("error", [KafkaConnectionError(), ProducerSendError("away")])
async def test_other_failures_are_the_senders_to_wait_out(error: Exception) -> None:
    class Away:
        async def send(self, *_: object) -> None:
            raise error

    with pytest.raises(type(error)):
        await send(FaustOutbox(cast(Any, FakeApp(Away()))), b"v")


async def test_a_message_that_cannot_be_written_is_refused() -> None:
    class Strict:
        async def send(self, *_: object) -> None:
            "\ud800".encode()

    with pytest.raises(MessageRefused, match="header"):
        await send(FaustOutbox(cast(Any, FakeApp(Strict()))), b"v")
