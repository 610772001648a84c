"""What a worker that ended without a goodbye leaves to the next one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.stream.crashes import FORGET_S, N_SUSPECTS, CrashLog, Note, State, read_note
from tests.engine.stream.test_agents import PLACE, FakeStore, kill_at

NUMBER = st.integers(-1, 2**62)
NOTES = st.builds(Note, st.sampled_from([*State]), NUMBER, NUMBER, NUMBER, NUMBER, NUMBER)


@given(NOTES)
def test_a_note_is_read_as_it_was_written(note: Note) -> None:
    assert read_note(note.encode()) == note
    assert len(note.encode()) < 200, "Kafka takes 4,096 bytes by default"


@pytest.mark.parametrize(
    "text", ["", "somebody else's", "sluice1 busy 1 2", "sluice1 busy 1 2 3 4 x", "sluice2 busy 1 2 3 4 5"]
)
def test_what_others_wrote_is_an_empty_note(text: str) -> None:
    assert read_note(text) == Note()


def test_after_a_goodbye_nobody_is_suspected() -> None:
    assert Note().take_over(7, now=0.0) == Note(State.BUSY)


def test_ends_without_a_goodbye_are_counted_up_to_where_the_last_worker_may_have_been() -> None:
    first = Note(State.BUSY).take_over(100, now=5_000.0)
    assert first == Note(State.BUSY, n_crashes=1, end=100 + N_SUSPECTS, crashed_at=5_000)
    assert not first.suspects(100)
    second = first.take_over(150, now=5_001.0)
    assert (second.n_crashes, second.end) == (2, 100 + N_SUSPECTS)
    assert second.suspects(150)
    assert not second.suspects(second.end)


def test_what_came_after_a_worker_has_ended_is_not_suspected() -> None:
    first = Note(State.BUSY).take_over(100, now=5_000.0, newest=130)
    assert first.end == 130
    second = first.take_over(110, now=5_001.0, newest=190)
    assert second.suspects(129)
    assert not second.suspects(130)
    assert Note(State.BUSY).take_over(100, now=5_000.0, newest=10**6).end == 100 + N_SUSPECTS


async def test_a_worker_asks_how_far_a_partition_went_when_it_takes_it_over() -> None:
    store = FakeStore()
    store.end = 3
    for _ in range(2):
        await kill_at(1, store, n_posts=12)
    log = CrashLog(store, clock=lambda: 1_000.0)
    await log.open(PLACE, 1, 1)
    assert [offset for offset in range(12) if log.suspects(PLACE, offset)] == [0, 1, 2]


def test_what_lies_behind_or_long_ago_has_nothing_to_do_with_it() -> None:
    note = Note(State.BUSY, n_crashes=1, end=1_000, crashed_at=5_000)
    assert note.take_over(1_000, now=5_001.0).n_crashes == 1
    assert note.take_over(900, now=5_000.0 + FORGET_S).n_crashes == 1
    assert note.behind(1_000) == Note(State.BUSY)
    assert note.behind(999) == note


def test_only_the_post_that_was_scored_alone_is_blamed() -> None:
    note = Note(State.BUSY, n_crashes=2, end=1_000, crashed_at=5_000).alone_at(7)
    blamed = note.take_over(7, now=5_001.0)
    assert (blamed.suspect, blamed.n_alone, blamed.state) == (7, 1, State.BUSY)
    assert blamed.alone_at(7).n_alone == 1
    assert blamed.alone_at(8).n_alone == 0
    assert replace(note, state=State.IDLE).take_over(7, now=5_001.0).n_alone == 0, "it was let go of, nothing crashed"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 11), st.lists(st.integers(0, 11), max_size=2))
async def test_whatever_is_killed_before_the_one_to_blame_is_found(guilty: int, killed_at: list[int]) -> None:
    """Two kills from outside, wherever they hit, add nobody to those that are given up."""
    store = FakeStore()
    for offset in killed_at:
        await kill_at(min(offset, guilty), store, n_posts=12)
    for _ in range(6):
        bench = await kill_at(guilty, store, n_posts=12)
        if bench.moderator.buried:
            break
    assert bench.moderator.buried == [f"posts/0/{guilty}"]
    assert store.committed[PLACE][0] <= 12
