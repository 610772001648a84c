"""Somebody who is erased is in no count any more, in whatever order a history reads of it, and nobody else is less."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.history.entries import MAX_ENTRIES
from sluice.history.erasures import Erasure, Forgotten, decode_erasure, name_author, name_post
from sluice.history.events import Event
from sluice.history.recount import read_all, recount, still_counting
from sluice.history.remembered import RememberedAuthors
from sluice.history.subjects import Naming
from sluice.schema import DECISIONS
from tests.engine.history.events import CONFIG, EVENTS, NOW_MS, report, verdict

NAMING = Naming(CONFIG.key)


def of_author(author: str, until_ms: int = NOW_MS, tenants: tuple[str | None, ...] = ("t", None)) -> Erasure:
    names = name_author(NAMING, author, tenants, tenants)
    return Erasure(id="e", until_ms=until_ms, names=tuple(name.hex() for name in names))


def open_memory() -> RememberedAuthors:
    return RememberedAuthors(CONFIG, clock=lambda: NOW_MS / 1000)


def theirs(event: Event, author: str, until_ms: int) -> bool:
    is_theirs = event.author == author or event.name == f"by {author}"
    return is_theirs and event.at_ms <= until_ms


@settings(max_examples=100, deadline=None)
@given(EVENTS, st.integers(0, 10), st.integers(0, 5), st.randoms(use_true_random=False))
def test_what_is_held_is_a_recount_without_them_whenever_the_erasure_is_read(
    events: list[Event], n_hours: int, n_before: int, rng: random.Random
) -> None:
    until_ms = NOW_MS - n_hours * 3_600_000
    rng.shuffle(events)
    authors = open_memory()
    authors.fold(events[:n_before], {})
    authors.forget(of_author("u-1", until_ms))
    authors.fold(events[n_before:] + events[:n_before], {})  # the topics may be read again
    kept = [event for event in events if not theirs(event, "u-1", until_ms)]
    expected = still_counting(recount(kept, CONFIG), CONFIG, NOW_MS)
    assert still_counting(read_all(authors), CONFIG, NOW_MS) == expected


def test_they_go_from_what_is_counted_of_others_too() -> None:
    authors = open_memory()
    mine = [verdict("p-1", 9, "block", text=7), report("by u-2", 5), report("by u-1", 5, author="u-3")]
    others = [verdict("p-2", 9, text=7, author="u-2"), report("by u-2", 5, author="u-3")]
    authors.fold([*mine, *others], {})
    assert authors.forget(of_author("u-1")) == 5  # a post, a strike, a copy, one report by them and one about them
    assert authors.count_named(of_author("u-1")) == 0
    assert read_all(authors) == recount(others, CONFIG)
    authors.fold([verdict("p-9", -1)], {})
    assert set(read_all(authors)) - set(recount(others, CONFIG)) == {NAMING.subject("posts", "t", "u-1")}


def test_authors_of_other_tenants_stay() -> None:
    authors = open_memory()
    authors.fold([verdict("p-1", text=7)], {})
    assert authors.forget(of_author("u-1", tenants=(None, "other"))) == 0


def test_one_post_goes_and_the_others_of_its_author_stay() -> None:
    authors = open_memory()
    authors.fold([verdict("p-1", 2, "block"), verdict("p-2", 1, "block")], {})
    names = tuple(name.hex() for name in name_post(NAMING, "p-1", ("t",)))
    assert authors.forget(Erasure(id="e", until_ms=NOW_MS, names=names)) == 2
    assert read_all(authors) == recount([verdict("p-2", 1, "block")], CONFIG)


def of_post(name: str, author: str = "u-1") -> Erasure:
    names = tuple(each.hex() for each in name_post(NAMING, name, ("t",)))
    return Erasure(id="e", until_ms=NOW_MS, names=names, recounted=(NAMING.subject("posts", "t", author).hex(),))


def test_no_hash_of_an_erased_post_s_text_is_left() -> None:
    authors = open_memory()
    authors.fold([verdict("p-1", 2, text=7), verdict("p-2", 1, text=8)], {})
    assert authors.forget(of_post("p-1")) == 2  # the post, and that its author wrote the text
    assert authors.count_named(of_post("p-1")) == 0
    assert read_all(authors) == recount([verdict("p-2", 1, text=8)], CONFIG)


def test_whoever_wrote_the_text_of_an_erased_post_in_another_one_still_did() -> None:
    authors = open_memory()
    stay = [verdict("p-2", 9, text=7), verdict("p-3", 5, text=7, author="u-2")]
    authors.fold([verdict("p-1", 2, text=7), *stay], {})
    authors.forget(of_post("p-1"))
    assert read_all(authors) == recount(stay, CONFIG)


def test_a_text_goes_whose_post_is_too_long_ago_among_its_author_s() -> None:
    authors = open_memory()
    flood = [verdict(f"n-{n}", 1, text=9) for n in range(MAX_ENTRIES)]
    authors.fold([verdict("p-1", 99, text=7), *flood], {})
    authors.forget(of_post("p-1"))
    assert NAMING.text("t", 7) not in read_all(authors)


POSTS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 40), st.integers(0, 2)).map(
        lambda drawn: verdict(
            f"p-{drawn[0]}", drawn[1] * 3_600_000, DECISIONS[drawn[2]], drawn[0] % 3 + 1, f"u-{drawn[0] % 2}"
        )
    ),
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(POSTS, st.integers(0, 30), st.randoms(use_true_random=False))
def test_what_is_held_is_a_recount_without_the_post_whenever_the_erasure_is_read(
    events: list[Event], n_before: int, rng: random.Random
) -> None:
    authors = open_memory()
    authors.fold(events[:n_before], {})
    authors.forget(of_post("p-3", "u-1"))
    again = events[n_before:] + events[:n_before]
    rng.shuffle(again)
    authors.fold(again, {})
    kept = [event for event in events if event.name != "p-3"]
    assert still_counting(read_all(authors), CONFIG, NOW_MS) == still_counting(recount(kept, CONFIG), CONFIG, NOW_MS)


def test_a_folder_holds_no_name_any_more_and_takes_none_after_a_restart(tmp_path: Path) -> None:
    def open_folder() -> RememberedAuthors:
        return RememberedAuthors(replace(CONFIG, folder=tmp_path), ("verdicts",), lambda: NOW_MS / 1000)

    mine, others = verdict("p-1", 9, "block", text=7), verdict("p-2", 9, text=7, author="u-2")
    keys = [NAMING.subject("posts", "t", "u-1"), NAMING.subject("strikes", "t", "u-1")]
    authors = open_folder()
    authors.fold([mine, others], {})
    authors.close()
    assert all(holds(tmp_path, key) for key in keys), "else the scan below says nothing"
    authors = open_folder()
    authors.forget(of_author("u-1"))
    assert not any(holds(tmp_path, key) for key in keys)
    authors.close()
    again = open_folder()
    again.fold([mine], {})
    assert read_all(again) == recount([others], CONFIG)
    again.close()


def holds(folder: Path, key: bytes) -> bool:
    """Whether a table of RocksDB, or its log of what is in no table yet, has a key."""
    return any(key in file.read_bytes() for ending in ("sst", "log") for file in folder.rglob(f"*.{ending}"))


def test_erasures_of_whom_nothing_counts_any_more_are_dropped() -> None:
    now_s = [NOW_MS / 1000]
    authors = RememberedAuthors(CONFIG, clock=lambda: now_s[0])
    authors.forget(of_author("u-1"))
    now_s[0] += 8 * 86_400
    authors.forget(of_author("u-2", round(now_s[0] * 1000)))
    stored = authors._store.get(b"m/erased") or b""
    assert NAMING.subject("posts", "t", "u-1").hex().encode() not in stored
    assert NAMING.subject("posts", "t", "u-2").hex().encode() in stored


def test_messages_are_read_as_they_were_written_and_no_others() -> None:
    erasure, answer = of_author("u-1"), Forgotten(id="e", by="h/1", group="sluice", n_erased=1, n_left=0)
    assert [decode_erasure(msgspec.json.encode(each)) for each in (erasure, answer)] == [erasure, answer]
    one_byte = b'{"kind":"erasure","id":"e","until_ms":1,"names":["00"]}'
    for wrong in (None, b"{}", b'{"kind":"erasure"}', one_byte):
        with pytest.raises(msgspec.DecodeError):
            decode_erasure(wrong)
