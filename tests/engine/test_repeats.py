"""What is kept for repeats: bounded, computed once at a time, and never what could not be shared."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from sluice.metrics import Metrics
from sluice.repeats import ENTRY_BYTES, Repeats, digest

PATIENCE_S = 30.0


class Shelf:
    """Repeats, and what they counted."""

    def __init__(self, n_results: int = 3) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.repeats = Repeats(n_results * (ENTRY_BYTES + 100), self.metrics)

    async def get(self, key: bytes, result: str | None, n_bytes: int = 100) -> str | None:
        """What was found; else lands `result`, if there is one."""
        with self.repeats.flight("part") as flight:
            found: str | None = await flight.board(key, PATIENCE_S)
            if found is None and result is not None:
                flight.land(result, n_bytes)
            return found

    def count(self, outcome: str) -> float:
        labels = {"kind": "part", "outcome": outcome}
        return self.metrics.registry.get_sample_value("sluice_cache_lookups_total", labels) or 0.0


async def test_what_was_wanted_longest_ago_goes_first_and_the_bytes_are_counted() -> None:
    shelf = Shelf(n_results=3)
    for name in (b"a", b"b", b"c"):
        assert await shelf.get(name, name.decode()) is None
    assert await shelf.get(b"a", None) == "a"
    await shelf.get(b"d", "d")
    assert [await shelf.get(name, None) for name in (b"a", b"b", b"c", b"d")] == ["a", None, "c", "d"]
    assert shelf.metrics.registry.get_sample_value("sluice_cache_bytes") == 3 * (ENTRY_BYTES + 100)
    assert (shelf.count("hit"), shelf.count("miss")) == (4, 5)


async def test_what_is_larger_than_everything_is_not_kept() -> None:
    shelf = Shelf()
    await shelf.get(b"a", "a")
    await shelf.get(b"large", "large", n_bytes=10_000)
    assert [await shelf.get(name, None) for name in (b"a", b"large")] == ["a", None]


async def test_the_same_is_computed_once_while_others_wait() -> None:
    shelf, may_land, n_computed = Shelf(), asyncio.Event(), 0

    async def compute() -> str:
        nonlocal n_computed
        with shelf.repeats.flight("part") as flight:
            found: str | None = await flight.board(b"a", PATIENCE_S)
            if found is None:
                n_computed += 1
                await may_land.wait()
                flight.land("landed", 100)
            return found or "computed"

    tasks = [asyncio.create_task(compute()) for _ in range(5)]
    await asyncio.sleep(0)
    may_land.set()
    assert sorted(await asyncio.gather(*tasks)) == ["computed", *["landed"] * 4]
    assert n_computed == 1
    assert shelf.count("shared") == 4


@pytest.mark.parametrize("ending", ["nothing lands", "an error", "a cancellation"])
async def test_those_who_wait_compute_their_own_where_nothing_can_be_shared(ending: str) -> None:
    shelf, boarded, may_end = Shelf(), asyncio.Event(), asyncio.Event()

    async def lead() -> None:
        with shelf.repeats.flight("part") as flight:
            await flight.board(b"a", PATIENCE_S)
            boarded.set()
            await may_end.wait()
            if ending == "an error":
                raise ValueError

    leading = asyncio.create_task(lead())
    await boarded.wait()
    following = asyncio.create_task(shelf.get(b"a", None))
    await asyncio.sleep(0)
    if ending == "a cancellation":
        leading.cancel()
    may_end.set()
    assert await following is None
    await asyncio.gather(leading, return_exceptions=True)
    assert await shelf.get(b"a", None) is None  # and nothing was kept


async def test_nobody_waits_for_what_was_declined_before() -> None:
    shelf = Shelf()
    with shelf.repeats.flight("part") as first:
        await first.board(b"a", PATIENCE_S)
        first.decline()
    with shelf.repeats.flight("part") as leader:
        await leader.board(b"a", PATIENCE_S)
        assert await asyncio.wait_for(shelf.get(b"a", None), PATIENCE_S) is None  # at once, while the leader goes on
        leader.land("better", 100)
    assert await shelf.get(b"a", None) == "better"


async def test_nobody_waits_longer_than_there_is_time() -> None:
    shelf = Shelf()
    with shelf.repeats.flight("part") as leader:
        await leader.board(b"a", PATIENCE_S)
        with shelf.repeats.flight("part") as follower:
            assert await follower.board(b"a", 0.0) is None
        leader.land("late", 100)
    assert await shelf.get(b"a", None) == "late"


def test_parts_do_not_run_into_one_another() -> None:
    assert digest(b"ab", b"c") != digest(b"a", b"bc")
    assert digest(b"ab", b"c") == digest(b"ab", b"c")
