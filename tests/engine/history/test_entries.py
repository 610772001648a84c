"""What is kept of an author depends on what came, not on its order, nor on how often it came."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.history.entries import Entry, merge, newest_at, read

ENTRIES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 2), st.integers(0, 2), st.integers(0, 12)), min_size=1, max_size=40
)
SINCE_MS, MOST = 25, 6


def plainly(entries: list[Entry]) -> list[Entry]:
    """The same in the plainest words."""
    best: dict[int, Entry] = {}
    for entry in entries:
        best[entry[3]] = max(entry, best.get(entry[3], entry))
    ranked = sorted(best.values())
    return [entry for entry in ranked if entry[0] >= SINCE_MS][-MOST:]


@settings(max_examples=300)
@given(ENTRIES, st.randoms(use_true_random=False), st.integers(1, 8))
def test_any_order_in_any_pieces_with_any_repeats_gives_the_same(
    entries: list[Entry], rng: random.Random, n_pieces: int
) -> None:
    again = entries + rng.choices(entries, k=rng.randrange(len(entries) + 1))
    rng.shuffle(again)
    kept = b""
    for n in range(n_pieces):
        kept = merge(kept, again[n::n_pieces], SINCE_MS, MOST)
    assert read(kept).tolist() == plainly(entries)


def test_of_a_post_the_latest_verdict_counts_and_of_one_time_the_strictest() -> None:
    kept = merge(merge(None, [(5, 2, 0, 1), (7, 1, 0, 2)]), [(6, 0, 0, 1), (7, 2, 0, 2)])
    assert read(kept).tolist() == [(6, 0, 0, 1), (7, 2, 0, 2)]


def test_entries_are_read_as_they_were_written() -> None:
    entries = [(5, 2, 2**64 - 1, 1), (1_800_000_000_000, 1, 0, 2**64 - 1)]
    kept = merge(None, entries)
    assert read(kept).tolist() == entries
    assert newest_at(kept) == 1_800_000_000_000
    assert len(read(None)) == len(read(b"")) == len(merge(None, [])) == 0
