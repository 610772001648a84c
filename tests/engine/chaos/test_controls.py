"""The controls acknowledge wrongly, each in its own way; else a run could not see a loss."""

from __future__ import annotations

from typing import Any

from sluice.chaos.controls import CommitFirstLedger, UnorderedLedger
from sluice.stream.delivery import Ledger


class Event:
    """Notes that it was acknowledged."""

    def __init__(self) -> None:
        self.is_acked = False

    def ack(self) -> None:
        self.is_acked = True


def test_the_first_control_lets_a_post_go_while_one_before_it_runs() -> None:
    events: list[Any] = [Event(), Event()]
    ledger: Ledger[Any] = UnorderedLedger()
    right: Ledger[Any] = Ledger()
    tickets = [ledger.open(0, event) for event in events]
    assert ledger.finish(tickets[1]) == [events[1]]
    assert right.finish([right.open(0, event) for event in events][1]) == []


def test_the_second_control_acknowledges_a_post_before_it_is_scored() -> None:
    event: Any = Event()
    other: Any = Event()
    CommitFirstLedger().open(0, event)
    Ledger().open(0, other)
    assert (event.is_acked, other.is_acked) == (True, False)
