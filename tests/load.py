"""Posts through a pipeline and a moderator without Kafka, as many at once as a busy worker has."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from sluice.config import Topics
from sluice.errors import InferenceUnavailable
from sluice.metrics import Metrics
from sluice.opening import open_pipeline
from sluice.pipeline import Pipeline
from sluice.schema import Post, Verdict, decode_verdict, encode
from sluice.settings import load_settings
from sluice.stream.dead_letters import Headers, Message
from sluice.stream.moderation import Moderator

TOPICS = Topics()
N_AT_ONCE = 64
N_POSTS = 200
PATIENT = {"SLUICE_DEADLINE_MS": "20000"}
"""So that a busy machine makes no post late: the outages here are longer than the doubts about a model."""


class Load:
    """Posts through a moderator, as many at once as a worker takes; remembers the outcomes."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.verdicts: list[Verdict] = []
        self.dead_letters: list[bytes] = []
        self._moderator = Moderator(pipeline, self, TOPICS, Metrics(CollectorRegistry()), lambda: False, 0.1)
        self._numbers = itertools.count()
        self._is_ending = False

    async def send(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        """Be the way out to Kafka."""
        if topic == TOPICS.verdicts:
            self.verdicts.append(decode_verdict(value))
        elif topic == TOPICS.dead_letters:
            self.dead_letters.append(value)

    async def post(self, **fields: object) -> None:
        """Handle one post."""
        number = next(self._numbers)
        post = Post(id=f"p-{number}", text=f"see you at lunch on day {number}", **fields)  # type: ignore[arg-type]
        await self._moderator.handle(Message(None, encode(post), [], None, f"posts/0/{number}"))

    async def until(self, n_more: int = N_POSTS) -> None:
        """Return after so many more verdicts."""
        n_wanted = len(self.verdicts) + n_more
        while len(self.verdicts) < n_wanted:
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep it up inside; at the end every post that was begun has its outcome."""

        async def keep_posting() -> None:
            while not self._is_ending:
                await self.post()

        tasks = [asyncio.create_task(keep_posting()) for _ in range(N_AT_ONCE)]
        yield
        self._is_ending = True
        await asyncio.gather(*tasks)

    def check(self) -> None:
        """Every post that was sent was scored, all of it."""
        assert self.dead_letters == []
        assert sorted(verdict.post_id for verdict in self.verdicts) == sorted(
            f"p-{number}" for number in range(next(self._numbers))
        )
        assert {str(dict(verdict.modalities)) for verdict in self.verdicts} == {"{'text': 'ok'}"}


@asynccontextmanager
async def pipeline_on(address: str, **environment: str) -> AsyncIterator[Pipeline]:
    settings = load_settings({**PATIENT, "SLUICE_TRITON": address, **environment})
    async with open_pipeline(settings, Metrics(CollectorRegistry())) as pipeline:
        yield pipeline


async def until_away(pipeline: Pipeline) -> str:
    """Return once the outage is known, and how it is described."""
    while True:
        try:
            await pipeline.confirm(max_age_s=60)
        except InferenceUnavailable as error:
            if "asked again" not in str(error):
                return str(error)
        await asyncio.sleep(0.01)
