"""A topic that was deleted and made anew is noticed by its id."""

from __future__ import annotations

from sluice.errors import KafkaUnavailable
from sluice.stream.topics import TopicWatch


async def test_only_another_topic_is_new() -> None:
    ids: list[str | Exception | None] = ["a", "a", None, KafkaUnavailable("away"), "b", "b", None, "b"]
    seen: list[str] = []

    def read_id() -> str | None:
        found = ids.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def on_new() -> None:
        seen.append("new")

    watch = TopicWatch(read_id, on_new, lambda: seen.append("same"))
    while ids:
        await watch.look()
    assert seen == ["same", "same", "new", "same", "same"]
