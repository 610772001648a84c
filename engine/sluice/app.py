"""The worker's composition root: the only place that knows all parts."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import faust
import tenacity
from faust.exceptions import ConsumerNotStarted
from faust.types import TP
from prometheus_client import CollectorRegistry

from sluice import __version__
from sluice.config import KafkaConfig
from sluice.errors import InferenceUnavailable, SluiceError
from sluice.features.audio import extract_audio, warm_up
from sluice.features.image import extract_image
from sluice.features.text import TextExtractor
from sluice.inference.triton import TritonClassifier
from sluice.kafka import MAX_MESSAGE_BYTES, ensure_topics, is_embedded
from sluice.local.transport import use_embedded_transport
from sluice.media.fetcher import MediaFetcher
from sluice.metrics import Metrics
from sluice.modalities.extraction import Extractors, TextBatches, on_threads
from sluice.modalities.parts import PartScorer
from sluice.pipeline import Pipeline
from sluice.settings import Settings
from sluice.stream.agents import FaustOutbox, Intake, declare_agent, leaving
from sluice.stream.health import HealthServer
from sluice.stream.moderation import Moderator
from sluice.verdict.policy import load_policy

logger = logging.getLogger(__name__)

THREAD_NAME = "extract"

STOP_MARGIN_S = 10.0
"""On top of the longest deadline, for the last commit and goodbyes, before the process ends anyway."""


@asynccontextmanager
async def open_pipeline(settings: Settings, metrics: Metrics) -> AsyncIterator[Pipeline]:
    """Build the pipeline on a Triton that answers, and close it all after.

    Raises
    ------
    InferenceUnavailable
        Triton did not answer within `settings.start_timeout_s`; names its address.
    PolicyError
        The policy file is wrong.
    """
    policy = load_policy(settings.policy_path)
    async with AsyncExitStack() as stack:
        words = stack.enter_context(_threads(1))  # of their own: large pictures must not make other posts' texts late
        media = stack.enter_context(_threads(settings.n_threads))
        fetcher, classifier = MediaFetcher(settings.media), TritonClassifier(settings.inference, metrics)
        stack.push_async_callback(fetcher.close)
        stack.push_async_callback(classifier.close)
        text = await asyncio.get_running_loop().run_in_executor(words, _load_text_extractor, settings.tokenizer)
        extractors: Extractors = {
            "text": TextBatches(text.extract_batch, words).extract,
            "image": on_threads(extract_image, media),
            "audio": on_threads(extract_audio, media),
        }
        parts = PartScorer(fetcher, extractors, classifier)
        pipeline = Pipeline(parts, classifier, policy, metrics, settings.pipeline)
        await _prepare(pipeline, settings.start_timeout_s)
        yield pipeline


def _load_text_extractor(tokenizer_file: Path | None) -> TextExtractor:
    """Everything that the first post would otherwise wait for."""
    warm_up()
    return TextExtractor(tokenizer_file)


@contextmanager
def _threads(n_threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for extraction; one that hangs in a decoder must not keep the process alive."""
    executor = ThreadPoolExecutor(n_threads, thread_name_prefix=THREAD_NAME)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


async def _prepare(pipeline: Pipeline, timeout_s: float) -> None:
    attempts = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(InferenceUnavailable),
        wait=tenacity.wait_exponential(multiplier=0.1, max=1.0),
        stop=tenacity.stop_after_delay(timeout_s),
        reraise=True,
    )
    await attempts(pipeline.prepare)


def build_faust(settings: Settings, scratch: Path) -> faust.App:
    """Faust, set up so that it loses nothing; the topics exist already and are never declared by it.

    Parameters
    ----------
    scratch : Path
        Where Faust makes its empty folders; else it makes them where the worker was started, or fails if it may not.
    """
    return faust.App(
        settings.agent.group,
        broker=[f"aiokafka://{address}" for address in settings.kafka.bootstrap.split(",")],
        broker_credentials=_credentials(settings.kafka),
        datadir=scratch,
        broker_commit_interval=1.0,
        broker_session_timeout=settings.agent.session_timeout_s,
        broker_heartbeat_interval=min(3.0, settings.agent.session_timeout_s / 4),
        broker_rebalance_timeout=max(60.0, settings.agent.session_timeout_s),  # it waits for the posts in flight
        broker_request_timeout=settings.agent.session_timeout_s + 60.0,  # Faust takes no shorter one than the session's
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_MESSAGE_BYTES,
        producer_acks=-1,
        producer_linger=0.005,
        producer_request_timeout=settings.agent.session_timeout_s,  # by default a send waits 20 minutes for a broker
        producer_max_request_size=MAX_MESSAGE_BYTES,
        stream_buffer_maxsize=16384,
        stream_wait_empty=True,
        topic_allow_declare=False,
        topic_disable_leader=True,
        store="memory://",
        web_enabled=False,
    )


def _credentials(kafka: KafkaConfig) -> Any:
    context = ssl.create_default_context(cafile=kafka.ca_file) if kafka.uses_tls else None
    if kafka.uses_sasl:
        return faust.SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password,
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


async def serve(settings: Settings, until: asyncio.Event, started: asyncio.Event) -> None:
    """Moderate posts until `until` is set; sets `started` before the first is taken.

    Raises
    ------
    SluiceError
        Kafka or Triton did not answer in time, or a setting is wrong.
    """
    metrics = Metrics(CollectorRegistry())
    metrics.build.info({"version": __version__})
    logger.info("connecting to Kafka at %s and Triton at %s", settings.kafka.bootstrap, settings.inference.triton)
    await asyncio.to_thread(ensure_topics, settings.kafka, settings.start_timeout_s)
    embedded = await asyncio.to_thread(is_embedded, settings.kafka)
    with tempfile.TemporaryDirectory(prefix="sluice-faust-") as scratch:
        async with open_pipeline(settings, metrics) as pipeline:
            app = build_faust(settings, Path(scratch))
            if embedded:
                use_embedded_transport(app)
            started.set()
            await _moderate(app, pipeline, settings, metrics, until)


async def _moderate(
    app: faust.App, pipeline: Pipeline, settings: Settings, metrics: Metrics, until: asyncio.Event
) -> None:
    topics = settings.kafka.topics
    moderator = Moderator(pipeline, FaustOutbox(app, topics), topics, metrics, leaving(app))
    declare_agent(app, topics.posts, Intake(app, settings.agent, moderator, metrics))
    health = HealthServer(metrics.registry, _lag_reader(app, metrics), _readiness(app, pipeline))
    await health.start(settings.metrics_host, settings.metrics_port)
    try:
        await _run(app, until, settings.pipeline.max_deadline_ms / 1000 + STOP_MARGIN_S)
    finally:
        await health.stop()


async def _run(app: faust.App, until: asyncio.Event, grace_s: float) -> None:
    await app.start()
    asked = asyncio.create_task(until.wait())
    ended = asyncio.create_task(app.wait_until_stopped())
    await asyncio.wait({asked, ended}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    stopping = asyncio.create_task(app.stop())
    await asyncio.wait({stopping}, timeout=grace_s)  # to cancel it would not do: Faust swallows that
    if not stopping.done():
        logger.error("not stopped after %.0f s: what is not acknowledged will be delivered again", grace_s)
        os._exit(1)  # Faust waits for ever for a post that is stuck; nothing uncommitted is lost by leaving
    ended.cancel()
    await stopping
    if app.crash_reason:
        raise SluiceError(f"the Kafka consumer failed: {app.crash_reason!r}")


def _readiness(app: faust.App, pipeline: Pipeline) -> Callable[[], Awaitable[str | None]]:
    async def why_not_ready() -> str | None:
        if app.rebalancing or not _assigned(app):
            return "no partitions of the posts topic are assigned yet"
        try:
            await pipeline.prepare()
        except InferenceUnavailable as error:
            return str(error)
        return None

    return why_not_ready


def _assigned(app: faust.App) -> set[TP]:
    """Return the partitions of this worker; none while the consumer starts."""
    try:
        return set(app.consumer.assignment())
    except ConsumerNotStarted:
        return set()


def _lag_reader(app: faust.App, metrics: Metrics) -> Callable[[], None]:
    """Reads, per partition, how far the committed offset is behind the newest message."""

    def refresh() -> None:
        metrics.consumer_lag.clear()  # a partition that another worker has taken over is no longer ours to report
        for partition in _assigned(app):
            newest = app.consumer.highwater(partition)
            # Faust's monitor knows only what this process committed: after a restart it would count everything again.
            done = cast(Any, app.consumer)._committed_offset.get(partition)
            if newest is not None:
                lag = metrics.consumer_lag.labels(partition.topic, partition.partition)
                lag.set(max(0, newest - (done or 0)))

    return refresh


def run_worker(settings: Settings) -> int:
    """Run a worker until SIGTERM or SIGINT; returns the exit code."""
    asyncio.run(_serve_until_signal(settings))
    _leave_hung_threads()
    return 0


def _leave_hung_threads() -> None:
    """Python would wait for a thread that hangs in a decoder; everything is committed, so this does not."""
    extracting = [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]
    for thread in extracting:
        thread.join(timeout=1.0)
    if any(thread.is_alive() for thread in extracting):
        logger.warning("a decoder still runs: leaving it")
        os._exit(0)


async def _serve_until_signal(settings: Settings) -> None:
    until, started = asyncio.Event(), asyncio.Event()

    def leave() -> None:
        until.set()
        if not started.is_set():
            os._exit(0)  # nothing is taken from Kafka yet; waiting for Kafka or Triton cannot be interrupted otherwise

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave)
    await serve(settings, until, started)
