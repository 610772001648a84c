"""Acknowledgement strictly in offset order, per partition."""

from hypothesis import given
from hypothesis import strategies as st

from sluice.stream.delivery import Ledger


def test_a_finished_post_waits_for_the_one_stuck_at_the_head() -> None:
    ledger = Ledger[str]()
    head, second, third = (ledger.open(0, event) for event in ("head", "second", "third"))
    assert ledger.finish(second) == []
    assert ledger.finish(third) == []
    assert len(ledger) == 3
    assert ledger.finish(head) == ["head", "second", "third"]
    assert len(ledger) == 0


def test_partitions_do_not_wait_for_each_other() -> None:
    ledger = Ledger[str]()
    ledger.open(0, "stuck")
    assert ledger.finish(ledger.open(1, "other")) == ["other"]


def test_an_abandoned_partition_acknowledges_nothing_more() -> None:
    ledger = Ledger[str]()
    first, second = ledger.open(0, "first"), ledger.open(0, "second")
    ledger.finish(second)
    assert ledger.abandon(0) == ["first", "second"]
    assert ledger.finish(first) == []
    assert ledger.abandon(0) == []


def test_what_goes_back_takes_along_only_what_is_behind_it() -> None:
    ledger = Ledger[str]()
    first, second, third = (ledger.open(0, event) for event in ("first", "second", "third"))
    ledger.finish(third)
    assert ledger.abandon_from(second) == ["second", "third"]
    assert ledger.abandon_from(third) == []
    assert ledger.is_abandoned(0)
    assert ledger.finish(first) == ["first"]
    assert ledger.finish(second) == []
    assert len(ledger) == 0


@given(st.permutations(range(12)), st.integers(0, 12))
def test_only_an_unbroken_run_from_the_head_is_acknowledged(order: list[int], n_finished: int) -> None:
    ledger = Ledger[int]()
    tickets = [ledger.open(0, offset) for offset in range(12)]
    acknowledged = [event for offset in order[:n_finished] for event in ledger.finish(tickets[offset])]
    finished = set(order[:n_finished])
    expected = next((i for i in range(12) if i not in finished), 12)
    assert acknowledged == list(range(expected))
