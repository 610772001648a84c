"""``/v1/explanation``: what was decided about a post, and why.

Only where a server follows Kafka, and only for keys with the scope ``explain``: without keys nobody may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from sluice.api.errors import PROBLEMS, declaring
from sluice.api.problems import MEDIA_TYPE, RETRY_S, ProblemDetails, RequestProblem
from sluice.api.watching import with_key_for
from sluice.audit.explaining import Told, explain_from_topics
from sluice.config import KafkaConfig

DECLARED = declaring(
    ProblemDetails, {404: "Nothing is known of the post", 429: "Another post is being looked for"}, MEDIA_TYPE
)


PostId = Annotated[str, QueryParameter(min_length=1, max_length=256)]
"""Not a part of the path: it may hold a slash."""


class Explainer:
    """Looks for one post at a time: the topics are read from their beginning, for Kafka knows no other way."""

    def __init__(self, kafka: KafkaConfig, timeout_s: float) -> None:
        self._kafka, self._timeout_s = kafka, timeout_s
        self._reading = asyncio.Lock()

    async def explain(self, post_id: str) -> list[Told]:
        """What the topics say; raises `RequestProblem` while another post is looked for."""
        if self._reading.locked():
            raise RequestProblem(429, "overloaded", "another post is being looked for", RETRY_S)
        async with self._reading:
            return await asyncio.to_thread(explain_from_topics, self._kafka, post_id, self._timeout_s)


class Explanation(msgspec.Struct, frozen=True):
    """Verdicts, dead letters and people's decisions on a post, in the order of their times."""

    post_id: str
    told: Sequence[Told]


@get("/v1/explanation", responses=DECLARED, summary="What was decided about a post, and why")
async def explain_post(post: PostId, explainer: NamedDependency[Explainer]) -> Explanation:
    """As `sluice explain --json` has it; it takes as long as reading the topics does.

    Nothing is known of the post: a `RequestProblem` of 404.
    """
    told = await explainer.explain(post)
    if not told:
        raise RequestProblem(404, "not_found", "nothing is known of this post: not judged, or what was is gone")
    return Explanation(post, told)


ROUTER = Router(
    "/",
    route_handlers=[explain_post],
    guards=[with_key_for("explain")],
    exception_handlers=PROBLEMS,
    tags=["Posts"],
)
