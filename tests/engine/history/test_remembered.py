"""What is remembered of authors is a recount of what happened, whatever order, repetition or crash it came through."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import SettingsError
from sluice.features.simhash import simhash
from sluice.history.counts import DAY_MS, HOUR_MS, MINUTE_MS, Moment
from sluice.history.entries import MAX_ENTRIES
from sluice.history.events import Event
from sluice.history.recount import Counted, read_all, recount, still_counting
from sluice.history.remembered import RememberedAuthors
from sluice.history.subjects import Naming
from sluice.schema import AuthorHistory, Post
from tests.engine.history.events import CONFIG, EVENTS, NOW_MS, report, verdict

Open = Callable[[], RememberedAuthors]


def held(authors: RememberedAuthors) -> Counted:
    return still_counting(read_all(authors), CONFIG, NOW_MS)


def counted(events: list[Event]) -> Counted:
    return still_counting(recount(events, CONFIG), CONFIG, NOW_MS)


NOW = Moment(NOW_MS)


def known(*events: Event, moment: Moment = NOW) -> AuthorHistory:
    authors = RememberedAuthors(CONFIG, clock=lambda: NOW_MS / 1000)
    authors.fold(events, {})
    return authors.count("t", "u-1", moment)


@settings(max_examples=200, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False), st.integers(1, 6))
def test_any_order_and_any_replay_gives_the_recount(events: list[Event], rng: random.Random, n_pieces: int) -> None:
    again = events + rng.choices(events, k=rng.randrange(len(events)))
    rng.shuffle(again)
    authors = RememberedAuthors(CONFIG, clock=lambda: NOW_MS / 1000)
    for n in range(n_pieces):
        authors.fold(again[n::n_pieces], {("verdicts", 0): n})
    assert held(authors) == counted(events)


def test_posts_are_counted_in_windows_of_their_own_time() -> None:
    found = known(
        verdict("a", MINUTE_MS - 1),
        verdict("b", MINUTE_MS),  # no longer in the minute
        verdict("c", HOUR_MS - 1, "review"),
        verdict("d", DAY_MS - 1, "block"),
        verdict("e", DAY_MS),
        verdict("f", -1),  # published after the moment
        verdict("other", 1, author="u-2"),
    )
    assert (found.posts_1m, found.posts_1h, found.posts_24h) == (1, 3, 4)
    assert (found.reviews_24h, found.blocks_24h) == (1, 1)


def test_a_strike_counts_for_half_after_each_half_life_until_it_is_forgotten() -> None:
    ages = [0, DAY_MS, 2 * DAY_MS, 7 * DAY_MS]
    blocked = [verdict(f"p-{n}", ago_ms, "block") for n, ago_ms in enumerate(ages)]
    assert known(*blocked).strikes == 1.75
    assert known(*blocked, moment=Moment(NOW_MS + DAY_MS)).strikes == 0.875
    assert known(verdict("p", 0, "review")).strikes == 0.0


def test_a_flood_of_posts_pushes_no_strike_out_and_counts_up_to_a_bound() -> None:
    flood = [verdict(f"f-{n}", n) for n in range(MAX_ENTRIES + 50)]
    found = known(verdict("bad", 2 * HOUR_MS, "block"), *flood)
    assert (found.strikes > 0.9, found.posts_1h, found.posts_24h) == (True, MAX_ENTRIES, MAX_ENTRIES)


def test_one_person_reports_once_a_day() -> None:
    assert known(report("by a"), report("by a", 5), report("by b"), report("by c", DAY_MS)).reports_24h == 2


def test_a_wrong_time_takes_nothing_from_anybody() -> None:
    year_ms = 365 * DAY_MS
    found = known(
        *(verdict(f"p-{n}", 1000, "block") for n in range(5)), report("by a", 1000),
        verdict("ahead", -year_ms, author="u-2"), verdict("ahead", -year_ms, "block"), report("by a", -DAY_MS),
    )  # fmt: skip
    assert (found.posts_24h, found.reports_24h) == (5, 1)
    assert found.strikes > 4.9


def test_a_post_finds_its_near_copies_and_does_not_count_itself() -> None:
    text = "Win a free phone today, click the link in my profile and tell all your friends about it"
    seed = Naming(CONFIG.key).seed()
    authors = RememberedAuthors(CONFIG, clock=lambda: NOW_MS / 1000)
    authors.fold(
        [
            verdict("p-1", 5, "block", simhash(text, seed)),
            verdict("p-2", 5, text=simhash(text + "!! #42", seed)),
            verdict("p-3", 5, text=simhash("See you at lunch", seed)),
        ],
        {},
    )
    post = Post(id="p-1", text=text.upper(), author_id="u-1", tenant="t")
    again = authors.recall(post, None)
    assert again is not None
    assert (again.repeats_24h, again.posts_24h, again.blocks_24h, again.strikes) == (1, 2, 0, 0.0)
    other = authors.recall(Post(id="p-9", text=text, author_id="u-1", tenant="t"), None)
    assert other is not None
    assert (other.repeats_24h, other.posts_24h) == (2, 3)
    assert other.text_hash == f"{simhash(text, seed):016x}"


def test_a_text_that_others_wrote_too_is_known_by_how_many_they_are() -> None:
    authors, text = RememberedAuthors(CONFIG, clock=lambda: NOW_MS / 1000), "Vote for the mayor, friends!"
    hash_ = simhash(text, Naming(CONFIG.key).seed())
    names = ("u-1", "u-2", "u-2", "u-3", "u-4")
    ages = (1, 2, 3, 4, DAY_MS)
    authors.fold(
        [
            verdict(f"p-{n}", age, text=hash_, author=name)
            for n, (name, age) in enumerate(zip(names, ages, strict=True))
        ],
        {},
    )
    for shown, tenant, n_others in ((text.upper(), "t", 2), (text, None, 0), ("See you at lunch", "t", 0)):
        found = authors.recall(Post(id="p", text=shown, author_id="u-1", tenant=tenant), None)
        assert found is not None
        assert found.copies_24h == n_others


def test_the_time_is_the_posts_own_unless_it_is_to_come() -> None:
    authors = RememberedAuthors(CONFIG, clock=lambda: 1000.0)
    post = Post(id="p", images=(), text="t", author_id="u")
    found = [authors.recall(post, at) for at in (900.5, 2000.0, None)]
    assert [each.counted_at for each in found if each] == [900.5, 1000.0, 1000.0]
    assert authors.recall(Post(id="p", text="t"), None) is None


@pytest.fixture
def open_folder(tmp_path: Path) -> Open:
    return lambda: RememberedAuthors(replace(CONFIG, folder=tmp_path / "history"), ("verdicts", "id-1"))


def test_a_folder_holds_what_was_folded_and_how_far(open_folder: Open) -> None:
    events = [verdict("a", 5, "block"), report("by b")]
    authors = open_folder()
    authors.fold(events[:1], {("verdicts", 0): 7})
    authors.fold(events[1:], {("reports", 3): 2})
    authors.close()
    again = open_folder()
    assert again.offsets == {("verdicts", 0): 7, ("reports", 3): 2}
    assert held(again) == counted(events)
    again.close()


def test_a_folder_of_other_topics_or_another_secret_begins_anew(tmp_path: Path) -> None:
    for config, topic in ((CONFIG, "id-1"), (CONFIG, "id-2"), (replace(CONFIG, key=b"other"), "id-2")):
        authors = RememberedAuthors(replace(config, folder=tmp_path), (topic,))
        assert (authors.offsets, held(authors)) == ({}, {})
        authors.fold([verdict("a")], {("verdicts", 0): 7})
        authors.close()


def test_workers_share_a_folder_each_with_a_history_of_its_own(open_folder: Open) -> None:
    first, second = open_folder(), open_folder()
    first.fold([verdict("a")], {("verdicts", 0): 7})
    assert (second.offsets, held(second)) == ({}, {})
    first.close()
    second.close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="SLUICE_HISTORY_DIR: .*file"):
        RememberedAuthors(replace(CONFIG, folder=tmp_path / "file"))


def test_in_memory_authors_of_whom_nothing_counts_are_forgotten() -> None:
    now_s = [NOW_MS / 1000]
    authors = RememberedAuthors(CONFIG, clock=lambda: now_s[0])
    authors.fold([verdict("old", 0, "block", author="u-2")], {})
    assert len(read_all(authors)) == 2
    now_s[0] += 8 * 86_400
    authors.fold([verdict("new", -8 * DAY_MS)], {})
    assert set(read_all(authors)) == {Naming(CONFIG.key).subject("posts", "t", "u-1")}


def test_names_are_told_apart_and_not_kept() -> None:
    naming = Naming(b"secret")
    subjects = {naming.subject("posts", tenant, author) for tenant, author in ((None, "a"), ("", "a"), ("a", ""))}
    subjects |= {naming.subject("posts", None, "\ud800"), naming.subject("posts", "None 4", "a")}
    assert len(subjects) == 5
    subjects |= {naming.subject("strikes", None, "a"), Naming(b"other").subject("posts", None, "a")}
    assert len(subjects) == 7
    assert "secret" not in repr(naming)
