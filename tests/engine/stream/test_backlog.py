"""Which posts begin first."""

from sluice.schema import Post
from sluice.stream.backlog import first_come, newest_deadline_first
from sluice.stream.dead_letters import Message


def message(published_at: float | None) -> Message:
    return Message(b"k", b"v", [], published_at, "posts/0/1")


def test_as_they_come_all_are_alike() -> None:
    assert first_come(message(1.0), Post(id="a", text="t")) == first_come(message(2.0), Post(id="b", text="t"))


def test_the_later_a_verdict_is_due_the_sooner_its_post_begins() -> None:
    rank = newest_deadline_first(5_000, clock=lambda: 100.0)
    posts = {
        "old": (message(10.0), Post(id="old", text="t")),
        "old, but in no hurry": (message(10.0), Post(id="calm", text="t", deadline_ms=20_000)),
        "new": (message(20.0), Post(id="new", text="t")),
        "new, in a hurry": (message(20.0), Post(id="hurry", text="t", deadline_ms=1_000)),
        "of no time": (message(None), Post(id="now", text="t")),
    }
    order = sorted(posts, key=lambda name: rank(*posts[name]))
    assert order == ["of no time", "old, but in no hurry", "new", "new, in a hurry", "old"]
