"""When a message is tried again, and when it is given up."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from sluice.webhooks import delivery
from sluice.webhooks.delivery import Deliverer
from sluice.webhooks.message import Webhook
from sluice.webhooks.receiver import NotTaken


class Receiver:
    """Takes what it is told to take."""

    def __init__(self) -> None:
        self.is_up = True
        self.refused: set[str] = set()
        self.taken: list[str] = []
        self.n_asked = 0

    async def post(self, webhook: Webhook) -> None:
        self.n_asked += 1
        if not self.is_up or webhook.identifier in self.refused:
            raise NotTaken("status 500")
        self.taken.append(webhook.identifier)


def make(identifier: str) -> Webhook:
    return Webhook(identifier, b"{}", "application/json")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Receiver:
    monkeypatch.setattr(delivery, "FIRST_PAUSE_S", 0.0)
    return Receiver()


async def test_an_outage_is_waited_out_however_long(receiver: Receiver) -> None:
    receiver.is_up = False
    deliverer = Deliverer(receiver, 0.0, n_refusals=3)
    waiting = [asyncio.create_task(deliverer.deliver(make(f"m-{n}"))) for n in range(5)]
    while receiver.n_asked < 500:
        await asyncio.sleep(0)
    assert (receiver.taken, [task.done() for task in waiting]) == ([], [False] * 5)
    receiver.is_up = True
    assert await asyncio.gather(*waiting) == [None] * 5
    assert sorted(receiver.taken) == [f"m-{n}" for n in range(5)]


async def test_a_message_that_fails_while_others_are_taken_is_given_up(receiver: Receiver) -> None:
    receiver.refused = {"bad"}
    deliverer = Deliverer(receiver, 0.0, n_refusals=3)
    bad = asyncio.create_task(deliverer.deliver(make("bad")))
    for number in itertools.count():
        if bad.done():
            break
        await deliverer.deliver(make(f"m-{number}"))
        await asyncio.sleep(0)
    assert await bad == "status 500"
    assert deliverer.n_taken == len(receiver.taken) >= 3


def test_pauses_grow_to_a_bound_with_jitter_and_heed_the_receiver() -> None:
    deliverer = Deliverer(Receiver(), 60.0, 3)
    pauses = [deliverer._pause_s(n, NotTaken("x")) for n in range(1, 100)]
    assert 0.5 <= pauses[0] <= 1.0
    assert all(30.0 <= pause <= 60.0 for pause in pauses[10:])
    assert len(set(pauses)) > 50
    assert deliverer._pause_s(1, NotTaken("x", after_s=120.0)) == 120.0
