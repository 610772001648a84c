import asyncio
import json
import os
from collections.abc import AsyncGenerator
from io import FileIO
from typing import cast

import pytest

from sluice.cli.scoring import N_MEDIA_IN_FLIGHT, Scored, score_lines
from sluice.errors import InferenceUnavailable
from sluice.schema import decode_verdict
from tests.engine.cli.verdicts import make_verdict


class Scorer:
    """Finishes posts in groups, the last of a group first."""

    def __init__(self, group=4, fail_at=None):
        self.seen, self.n_now, self.n_most = [], 0, 0
        self._group, self._fail_at = group, fail_at
        self.waited_for, self.is_back = [], asyncio.Event()
        self.is_back.set()

    async def recovered(self, model):
        self.waited_for.append(model)
        await self.is_back.wait()

    async def score(self, post, published_at=None):
        number = len(self.seen)
        self.seen.append(post)
        if number == self._fail_at:
            raise InferenceUnavailable("Triton at x:1 is gone", "fusion")
        self.n_now += 1
        self.n_most = max(self.n_most, self.n_now)
        for _ in range(self._group - number % self._group):
            await asyncio.sleep(0)
        self.n_now -= 1
        return make_verdict(post.id)


def write_posts(path, n):
    path.write_text("".join(json.dumps({"id": f"p-{i}", "text": "hi", "deadline_ms": 1}) + "\n" for i in range(n)))
    return FileIO(path)


async def collect(scorer, file, **options):
    return [scored async for scored in score_lines(scorer, file, **options)]


async def test_verdicts_come_in_the_order_of_the_lines(tmp_path):
    scorer = Scorer()
    with write_posts(tmp_path / "posts", 1000) as file:
        scored = await collect(scorer, file)
    assert [decode_verdict(one.as_json).post_id for one in scored] == [f"p-{i}" for i in range(1000)]
    assert {post.deadline_ms for post in scorer.seen} == {None}


async def test_many_are_under_way_but_not_too_many(tmp_path):
    scorer = Scorer(group=1000)
    with write_posts(tmp_path / "posts", 300) as file:
        await collect(scorer, file, n_in_flight=20)
    assert 15 <= scorer.n_most <= 23  # the queue's, the one awaited, the one being put, the one just ended


async def test_of_posts_with_media_fewer_are_under_way(tmp_path):
    scorer, path = Scorer(group=1000), tmp_path / "posts"
    lines = [{"id": f"p-{i}", ("images", "audio")[i % 2]: [{"uri": "s3://b/k"}]} for i in range(100)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with FileIO(path) as file:
        scored = await collect(scorer, file)
    assert (len(scored), scorer.n_most) == (100, N_MEDIA_IN_FLIGHT)


async def test_malformed_lines_stay_in_their_place(tmp_path):
    path = tmp_path / "posts"
    path.write_bytes(b'{"id": "a", "text": "x"}\n{"id":\n\n{"id": "b", "text": "x"}\n\xff\n')
    with FileIO(path) as file:
        scored = await collect(Scorer(), file)
    assert [(one.line, one.verdict and one.verdict.post_id) for one in scored] == [
        (1, "a"), (2, None), (4, "b"), (5, None),
    ]  # fmt: skip
    letters = [json.loads(one.as_json)["dead_letter"] for one in scored if one.verdict is None]
    assert [(letter["reason"], letter["line"]) for letter in letters] == [("not_json", 2), ("not_utf8", 5)]
    assert [one.reason.partition(":")[0] for one in scored] == ["", "not_json", "", "not_utf8"]


async def test_an_outage_is_waited_out(tmp_path):
    scorer = Scorer(fail_at=40)
    with write_posts(tmp_path / "posts", 200) as file:
        scored = await collect(scorer, file)
    assert [decode_verdict(one.as_json).post_id for one in scored] == [f"p-{i}" for i in range(200)]
    assert scorer.waited_for == ["fusion"]


async def test_an_outage_without_an_end_ends_it(tmp_path, monkeypatch):
    monkeypatch.setattr("sluice.cli.scoring.OUTAGE_S", 0.01)
    scorer = Scorer(fail_at=40)
    scorer.is_back.clear()
    with write_posts(tmp_path / "posts", 200) as file, pytest.raises(InferenceUnavailable, match="gone"):
        await collect(scorer, file)


async def test_lines_that_are_skipped_are_not_scored(tmp_path):
    scorer = Scorer()
    with write_posts(tmp_path / "posts", 10) as file:
        scored = await collect(scorer, file, skips=lambda number, line: number <= 7)
    assert [one.line for one in scored] == [8, 9, 10]
    assert [post.id for post in scorer.seen] == ["p-7", "p-8", "p-9"]


async def test_verdicts_do_not_wait_for_more_input():
    receive, send = os.pipe()
    with FileIO(receive) as file, FileIO(send, "wb") as out:
        out.write(b'{"id": "a", "text": "x"}\n')
        scored = score_lines(Scorer(), file)
        assert (await anext(scored)).line == 1
        out.write(b'{"id": "b", "text": "x"}\n')
        assert (await anext(scored)).line == 2
        await cast("AsyncGenerator[Scored, None]", scored).aclose()


async def test_a_file_that_cannot_be_read_on_is_an_error(tmp_path):
    class Broken(FileIO):
        def read(self, size=-1):
            raise OSError("input/output error")

    (tmp_path / "posts").touch()
    with Broken(tmp_path / "posts") as file, pytest.raises(OSError, match="input/output"):
        await collect(Scorer(), file)
