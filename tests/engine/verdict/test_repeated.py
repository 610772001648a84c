"""Which posts are looked up as a whole: nothing is made ready for the others."""

from __future__ import annotations

from datetime import datetime

import pytest

from sluice.features.text import MAX_WHOLE_CHARS
from sluice.schema import Media, Post
from sluice.verdict.repeated import is_kept
from sluice.verdict.watchlist import Watchlist
from tests.engine.test_repeated_posts import RepeatBench

PICTURE = (Media("a:ok"),)


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        (Post(id="p", text="one two"), True),
        (Post(id="p", text="x" * MAX_WHOLE_CHARS), True),
        (Post(id="p", text="x" * (MAX_WHOLE_CHARS + 1)), False),
        (Post(id="p", text=""), False),
        (Post(id="p", text="one two", images=PICTURE), False),
        (Post(id="p", audio=PICTURE), False),
    ],
)
def test_only_a_text_alone_that_is_read_whole_is_kept(post: Post, expected: bool) -> None:
    assert is_kept(post) is expected


class Keyless(Watchlist):
    """Has no keys."""

    def key(self, post: Post, now: datetime) -> bytes:
        raise AssertionError(post.id)


async def test_no_key_is_made_for_a_post_that_cannot_be_found() -> None:
    bench = RepeatBench()
    await bench.know()
    bench.pipeline.use_watchlist(Keyless())
    assert (await bench.score(text="one two", images=[{"uri": "a:ok"}])).decision == "allow"
    with pytest.raises(AssertionError):
        await bench.score(text="one two")
    await bench.pipeline.close()
