"""How many verdicts are in flight at once, and that a full house is no reason to fetch everything again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from confluent_kafka import Consumer, Message

from sluice.config import KafkaConfig
from sluice.webhooks import feed
from sluice.webhooks.config import WebhookConfig
from sluice.webhooks.feed import VerdictFeed
from tests.engine.webhooks.receiver import leave

N_VERDICTS = 40


class CountingConsumer(Consumer):
    """Counts how often it is paused, and says so."""

    n_pauses = 0
    paused = asyncio.Event()

    def pause(self, *arguments: Any) -> None:
        type(self).n_pauses += 1
        self.paused.set()
        super().pause(*arguments)


class Desk:
    """Takes verdicts while it is open."""

    def __init__(self) -> None:
        self.open, self.done = asyncio.Event(), asyncio.Event()
        self.n_taken = self.n_in_flight = self.most_in_flight = 0

    async def take(self, _: Message) -> None:
        self.n_in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.n_in_flight)
        await self.open.wait()
        self.n_in_flight -= 1
        self.n_taken += 1
        if self.n_taken == N_VERDICTS:
            self.done.set()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(CountingConsumer, "n_pauses", 0)
    monkeypatch.setattr(CountingConsumer, "paused", asyncio.Event())
    monkeypatch.setattr(feed, "Consumer", CountingConsumer)
    return Desk()


async def follow(kafka: KafkaConfig, desk: Desk, n_in_flight: int) -> None:
    """Until the desk has taken all."""
    leave(kafka, *[(f"p-{n}", "block") for n in range(N_VERDICTS)])
    config = WebhookConfig("http://127.0.0.1/hook", (), from_beginning=True, n_in_flight=n_in_flight)
    await VerdictFeed(kafka, config, desk.take).run(desk.done)


async def test_a_full_house_from_which_deliveries_go_steadily_does_not_pause_it(kafka: KafkaConfig, desk: Desk) -> None:
    desk.open.set()
    await follow(kafka, desk, 1)  # full with each
    assert (desk.n_taken, CountingConsumer.n_pauses) == (N_VERDICTS, 0)


async def test_it_pauses_while_nothing_goes_and_goes_on_after(
    kafka: KafkaConfig, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "ROOM_S", 0.01)
    following = asyncio.create_task(follow(kafka, desk, 2))
    await CountingConsumer.paused.wait()
    assert (desk.n_in_flight, desk.n_taken) == (2, 0)
    monkeypatch.setattr(feed, "ROOM_S", 60.0)
    desk.open.set()
    await following
    assert (desk.n_taken, desk.most_in_flight) == (N_VERDICTS, 2)
