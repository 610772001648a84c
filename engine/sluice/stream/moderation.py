"""One message in, exactly one outcome safe in Kafka: a verdict or a dead letter. Waits out outages. No Faust in it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import tenacity

from sluice.config import Topics
from sluice.errors import InferenceUnavailable, InvalidPost, PostTooLarge
from sluice.kafka import DETAIL_HEADER, REASON_HEADER, SOURCE_HEADER
from sluice.metrics import Metrics
from sluice.modalities.parts import trace_of
from sluice.pipeline import Pipeline
from sluice.schema import Verdict, decode_post, encode

logger = logging.getLogger(__name__)

Headers = Sequence[tuple[str, bytes]]

MAX_HEADERS_BYTES = 16 * 1024
"""Of a post's headers, kept where a topic does not take all of them."""


class Leaving(Exception):
    """The worker is stopping or losing its partitions: the post goes back unacknowledged."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came from Kafka.

    Attributes
    ----------
    published_at : float or None
        The message's timestamp, in seconds since the epoch; None if it has none.
    source : str
        ``topic/partition/offset``.
    """

    key: bytes | None
    value: bytes
    headers: Headers
    published_at: float | None
    source: str


class Outbox(Protocol):
    """The way out to Kafka."""

    async def send(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        """Return once the broker has acknowledged the message; raise if it did not.

        Raises
        ------
        PostTooLarge
            It never will: the message is over the topic's limit.
        """
        ...


class Moderator:
    """Turns messages into outcomes.

    Parameters
    ----------
    leaving : callable
        True once this worker should let go of posts that only wait: for Triton, or for Kafka.
    max_pause_s : float
        Longest pause between two tries during an outage, in seconds.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        outbox: Outbox,
        topics: Topics,
        metrics: Metrics,
        leaving: Callable[[], bool],
        max_pause_s: float = 2.0,
    ) -> None:
        self._pipeline = pipeline
        self._outbox = outbox
        self._topics = topics
        self._metrics = metrics
        self._leaving = leaving
        self._max_pause_s = max_pause_s
        self._recovery: asyncio.Task[None] | None = None

    async def handle(self, message: Message) -> None:
        """Score a message and publish its outcome.

        Raises
        ------
        Leaving
            There is no outcome, and the message must not be acknowledged.
        """
        try:
            verdict = await self._score(message)
        except InvalidPost as error:
            await self._publish_dead_letter(message, error)
        else:
            await self._publish_verdict(message, verdict)

    async def _score(self, message: Message) -> Verdict:
        while True:
            try:
                return await self._pipeline.score(decode_post(message.value), message.published_at)
            except InvalidPost:
                raise
            except InferenceUnavailable:
                await self._wait_for_triton()
            except Exception as error:
                logger.error("%s could not be scored: %s\n%s", message.source, type(error).__name__, trace_of(error))
                raise InvalidPost("unscorable", f"internal error: {type(error).__name__}") from error

    async def _wait_for_triton(self) -> None:
        """All posts wait for one probe, which lasts until the models answer again."""
        if self._leaving():
            raise Leaving
        if self._recovery is None or self._recovery.done():
            logger.warning("Triton is away: waiting for it, no post is lost")
            self._recovery = asyncio.create_task(self._until(self._pipeline.prepare, InferenceUnavailable))
        await asyncio.shield(self._recovery)

    async def _until(self, attempt: Callable[[], Awaitable[None]], error: type[Exception]) -> None:
        """Try until it succeeds; raises `Leaving` instead of trying on while this worker leaves."""
        attempts = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(error)
            & tenacity.retry_if_not_exception_type(PostTooLarge)
            & tenacity.retry_if_exception(lambda _: not self._leaving()),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=self._max_pause_s),
            reraise=True,
        )
        try:
            await attempts(attempt)
        except PostTooLarge:
            raise
        except error as last:
            raise Leaving from last

    async def _publish_verdict(self, message: Message, verdict: Verdict) -> None:
        value = encode(verdict)
        key = verdict.post_id.encode()
        if verdict.decision == "review":
            await self._publish_with_headers(self._topics.reviews, key, value, message)
        await self._publish_with_headers(self._topics.verdicts, key, value, message)
        if message.published_at is not None:
            self._metrics.end_to_end.observe(max(0.0, time.time() - message.published_at))

    async def _publish_with_headers(self, topic: str, key: bytes, value: bytes, message: Message) -> None:
        """A verdict with a long post's headers may be longer than the post was, and over the topic's limit."""
        try:
            await self._publish(topic, key, value, message.headers)
        except PostTooLarge:
            logger.warning("%s: too large for %s with all its headers", message.source, topic)
            await self._publish(topic, key, value, _short(message.headers))

    async def _publish_dead_letter(self, message: Message, error: InvalidPost) -> None:
        logger.info("dead letter %s: %s, %d bytes", message.source, error.reason, len(message.value))
        topic, added = self._topics.dead_letters, _describe(error.reason, error.detail, message.source)
        try:
            await self._publish(topic, message.key, message.value, [*message.headers, *added])
        except PostTooLarge:
            logger.warning("%s: too large for %s, which gets its description alone", message.source, topic)
            detail = f"{error.detail}; left out: {len(message.value)} bytes, more than the topic takes"
            added = _describe(error.reason, detail, message.source)
            await self._publish(topic, message.key, b"", [*_short(message.headers), *added])
        self._metrics.dead_letters.labels(error.reason).inc()

    async def _publish(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        has_failed = False

        async def attempt() -> None:
            nonlocal has_failed
            try:
                await self._outbox.send(topic, key, value, headers)
            except Exception as error:
                if not has_failed:  # once a message: an outage is not to fill the disk
                    logger.warning("%s: not delivered, trying again: %s", topic, type(error).__name__)
                has_failed = True
                raise

        await self._until(attempt, Exception)


def _describe(reason: str, detail: str, source: str) -> Headers:
    added = {REASON_HEADER: reason, DETAIL_HEADER: detail, SOURCE_HEADER: source}
    return [(name, text.encode()) for name, text in added.items()]


def _short(headers: Headers) -> Headers:
    """The first headers that stay within `MAX_HEADERS_BYTES` together."""
    sizes = accumulate(len(name) + len(value or b"") for name, value in headers)
    return [header for header, n_bytes in zip(headers, sizes, strict=True) if n_bytes <= MAX_HEADERS_BYTES]
