"""What of a post lists hold, as verdicts name it."""

from __future__ import annotations

from datetime import UTC, datetime

from sluice.evidence import MAX_MATCHES, ListMatch
from sluice.features.text import MAX_WHOLE_CHARS
from sluice.lists.entries import Entry, Match
from sluice.lists.finder import ListFinder
from sluice.schema import Post
from sluice.verdict.known import Known
from sluice.verdict.watchlist import LONG_CHARS, NOTHING_WATCHED, Watchlist, tell

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SOON = datetime(2026, 6, 2, tzinfo=UTC)
LISTS = {
    "insults": [Entry("word", "clanker", owner="ann", note="why"), Entry("author", "u-1", "allow")],
    "sites": [Entry("word", "brief", expires=SOON)],
}


def watchlist() -> Watchlist:
    return Watchlist(ListFinder(LISTS))


async def test_matches_name_list_entry_and_place() -> None:
    found = await watchlist().look(Post(id="p", text="You cl4nker!"), NOW)
    assert found == (ListMatch(list="insults", kind="word", value="clanker", start=4, end=11, owner="ann", note="why"),)
    assert await NOTHING_WATCHED.look(Post(id="p", text="clanker"), NOW) == ()
    assert await watchlist().look(Post(id="p", images=()), NOW) == ()


async def test_a_long_text_is_searched_as_far_as_it_is_read() -> None:
    text = "clanker " + "a " * LONG_CHARS + "brief"
    assert [match.value for match in await watchlist().look(Post(id="p", text=text), NOW)] == ["clanker", "brief"]
    text = "clanker " + "a" * MAX_WHOLE_CHARS + " brief"
    assert [match.value for match in await watchlist().look(Post(id="p", text=text), NOW)] == ["clanker"]


def test_the_key_tells_apart_what_lists_tell_apart() -> None:
    lists, post = watchlist(), Post(id="p", text="brief", author_id="u-2")
    assert lists.key(post, NOW) == lists.key(Post(id="q", text="brief", author_id="u-3"), NOW)
    assert lists.key(post, NOW) != lists.key(Post(id="p", text="brief", author_id="u-1"), NOW)
    assert lists.key(post, NOW) != lists.key(post, SOON)
    assert lists.key(post, NOW) != watchlist().key(post, NOW)
    assert NOTHING_WATCHED.key(post, NOW) == b""


def test_of_many_matches_each_list_keeps_one() -> None:
    many = [Match("long", Entry("word", f"w{n}"), n, n + 1) for n in range(MAX_MATCHES + 50)]
    told = tell([*many, Match("late", Entry("word", "end"), 999, 1000)])
    assert len(told) == MAX_MATCHES
    assert [match.list for match in told if match.list == "late"] == ["late"]
    assert told[0].value == "w0"


def test_rules_see_names_and_owners_each_once() -> None:
    known = Known(
        (
            ListMatch(list="a", kind="word", value="x", owner="ann"),
            ListMatch(list="a", kind="word", value="y", owner="ann"),
            ListMatch(list="b", kind="word", value="z", action="allow", owner="bob"),
        )
    )
    assert (known.lists_by("block"), known.lists_by("allow"), known.owners, known.banks) == (["a"], ["b"], ["ann"], [])
