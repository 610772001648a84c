"""One message in, exactly one outcome safe in Kafka: a verdict or a dead letter. Waits out outages. No Faust in it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

import tenacity

from sluice.config import Topics
from sluice.errors import InferenceUnavailable, InvalidPost, MessageRefused
from sluice.formats import Format, decode_post, encode_as, headers_for
from sluice.metrics import Metrics
from sluice.modalities.parts import trace_of
from sluice.pipeline import Pipeline
from sluice.retrying import keep_trying
from sluice.schema import Post, Verdict
from sluice.stream.backlog import Rank, first_come
from sluice.stream.dead_letters import Headers, Message, short, shorter_letters
from sluice.stream.lanes import Lanes, Leaving
from sluice.stream.pulse import Pulse
from sluice.tracing import UNTRACED, Tracer

logger = logging.getLogger(__name__)


class Outbox(Protocol):
    """The way out to Kafka."""

    async def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Return once the broker has acknowledged the message; raise if it did not.

        Raises
        ------
        MessageRefused
            It never will.
        """
        ...


class Moderator:
    """Turns messages into outcomes.

    Parameters
    ----------
    leaving : callable
        True once this worker should let go of posts that only wait: for Triton, or for Kafka.
    n_at_once : int
        Posts with media that are scored at once, and as many without.
    max_pause_s : float
        Longest pause between two tries during an outage, in seconds.
    pulse : Pulse or None
        Told of everything that is waited for.
    rank : callable
        In which order posts begin.
    tracer : Tracer
        Makes spans of a post's way; a post may come with a trace's context, and its verdict goes with one.
    verdict_format : {"json", "avro", "protobuf"}
        What verdicts are written in; a post says by itself what it is written in.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        outbox: Outbox,
        topics: Topics,
        metrics: Metrics,
        leaving: Callable[[], bool],
        n_at_once: int = 256,
        max_pause_s: float = 2.0,
        pulse: Pulse | None = None,
        rank: Rank = first_come,
        tracer: Tracer = UNTRACED,
        verdict_format: Format = "json",
    ) -> None:
        self._pipeline = pipeline
        self._rank = rank
        self._tracer = tracer
        self._format: Format = verdict_format
        self._outbox = outbox
        self._topics = topics
        self._metrics = metrics
        self._leaving = leaving
        self._max_pause_s = max_pause_s
        self._pulse = pulse or Pulse()
        self._lanes = Lanes(n_at_once, leaving, self._pulse)

    async def handle(self, message: Message) -> None:
        """Score a message and publish its outcome.

        Raises
        ------
        Leaving
            There is no outcome, and the message must not be acknowledged.
        """
        with self._trace(message):
            await self._handle(message)

    def _trace(self, message: Message) -> AbstractContextManager[None]:
        topic, partition, offset = message.source.rsplit("/", 2)
        return self._tracer.continued(
            message.headers,
            "moderate",
            "consumer",
            messaging__system="kafka",
            messaging__destination__name=topic,
            messaging__destination__partition__id=partition,
            messaging__kafka__offset=int(offset),
            messaging__message__body__size=message.n_bytes,
        )

    async def _handle(self, message: Message) -> None:
        try:
            with self._tracer.span("receive"):
                post = _read(message)
            has_media, rank = bool(post.images or post.audio), self._rank(message, post)
            async with self._lanes.enter(has_media=has_media, rank=rank):
                await self._publish_verdict(message, await self._score(message, post))
        except InvalidPost as error:
            await self._publish_dead_letter(message, error)

    async def bury(self, message: Message) -> None:
        """Publish a dead letter for a message that ends workers, without reading it; raises `Leaving`."""
        logger.error("%s ends the worker each time: it is given up", message.source)
        await self._publish_dead_letter(message, InvalidPost("crashed_worker", "it crashed the worker each time"))

    async def _score(self, message: Message, post: Post) -> Verdict:
        """Score until the models answer: each time anew, with all of the post's time."""
        return await keep_trying(partial(self._score_once, message, post), self._after_outages)

    def _after_outages(self) -> tenacity.AsyncRetrying:
        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(InferenceUnavailable),
            before_sleep=self._wait_for_model,
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=self._max_pause_s),  # not all in one moment
        )

    async def _score_once(self, message: Message, post: Post) -> Verdict:
        try:
            return await self._pipeline.score(post, message.published_at)
        except InferenceUnavailable:
            raise
        except Exception as error:
            raise _fault_of_ours(message, error) from error

    async def _wait_for_model(self, failed: tenacity.RetryCallState) -> None:
        """Return once the model that was away answers; raises `Leaving` if this worker leaves before."""
        error = failed.outcome.exception() if failed.outcome else None
        recovery = asyncio.ensure_future(self._pipeline.recovered(getattr(error, "model", "")))
        try:
            while not recovery.done():
                if self._leaving():
                    raise Leaving
                self._pulse.wait()
                await asyncio.wait({recovery}, timeout=self._max_pause_s)
        finally:
            recovery.cancel()

    async def _until(
        self,
        attempt: Callable[[], Awaitable[None]],
        error: type[Exception],
        give_up_on: tuple[type[Exception], ...] = (),
    ) -> None:
        """Try until it succeeds; raises `Leaving` instead of trying on while this worker leaves."""

        def attempts() -> tenacity.AsyncRetrying:
            return tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception_type(error)
                & tenacity.retry_if_not_exception_type(give_up_on)
                & tenacity.retry_if_exception(lambda _: not self._leaving()),
                wait=tenacity.wait_random_exponential(multiplier=0.1, max=self._max_pause_s),
                reraise=True,
            )

        try:
            await keep_trying(attempt, attempts)
        except give_up_on:
            raise
        except error as last:
            raise Leaving from last

    async def _publish_verdict(self, message: Message, verdict: Verdict) -> None:
        topics = [self._topics.reviews] if verdict.decision == "review" else []
        key, value = verdict.post_id.encode(), encode_as(verdict, self._format)
        for topic in [*topics, self._topics.verdicts]:
            await self._publish_with_headers(topic, key, value, message)
        if message.published_at is not None:
            self._metrics.end_to_end.observe(max(0.0, time.time() - message.published_at))

    async def _publish_with_headers(self, topic: str, key: bytes, value: bytes, message: Message) -> None:
        """A verdict with a long post's headers may be longer than the post was, and over the topic's limit."""
        with self._tracer.span(
            "publish", "producer", messaging__destination__name=topic, messaging__message__body__size=len(value)
        ):
            headers = self._tracer.hand_on(headers_for(self._format, message.headers))
            try:
                await self._publish(topic, key, value, headers)
            except MessageRefused:
                logger.warning("%s: too large for %s with all its headers", message.source, topic)
                await self._publish_short(topic, key, value, headers)

    async def _publish_short(self, topic: str, key: bytes, value: bytes, headers: Headers) -> None:
        try:
            await self._publish(topic, key, value, short(headers))
        except MessageRefused as error:
            detail = f"the verdict has {len(value)} bytes, more than {topic} takes"
            raise InvalidPost("verdict_too_large", detail) from error

    async def _publish_dead_letter(self, message: Message, error: InvalidPost) -> None:
        logger.info("dead letter %s: %s, %d bytes", message.source, error.reason, message.n_bytes)
        topic = self._topics.dead_letters
        *letters, last = shorter_letters(message, error.reason, error.detail)
        for letter in letters:
            try:
                await self._publish(topic, letter.key, letter.value, letter.headers)
                break
            except MessageRefused:
                logger.warning("%s: too large for %s, so it gets shorter", message.source, topic)
        else:
            await self._publish(topic, last.key, last.value, last.headers, give_up_on=())
        self._metrics.dead_letters.labels(error.reason).inc()

    async def _publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        give_up_on: tuple[type[Exception], ...] = (MessageRefused,),
    ) -> None:
        """Send until the broker has it; raises only what `give_up_on` names, and `Leaving`."""
        has_failed = False

        async def attempt() -> None:
            nonlocal has_failed
            try:
                await self._outbox.send(topic, key, value, headers)
                self._pulse.publish(topic)
            except give_up_on:
                raise
            except Exception as error:
                if not has_failed:  # once a message: an outage is not to fill the disk
                    logger.warning("%s: not delivered, trying again: %s", topic, type(error).__name__)
                has_failed = True
                self._pulse.refuse(topic, type(error).__name__)
                raise

        await self._until(attempt, Exception, give_up_on)


def _read(message: Message) -> Post:
    """Raises `InvalidPost`."""
    try:
        return decode_post(message.value, message.headers)
    except InvalidPost:
        raise
    except Exception as error:
        raise _fault_of_ours(message, error) from error


def _fault_of_ours(message: Message, error: Exception) -> InvalidPost:
    logger.error("%s could not be scored: %s\n%s", message.source, type(error).__name__, trace_of(error))
    return InvalidPost("unscorable", f"internal error: {type(error).__name__}")
