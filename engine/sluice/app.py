"""The worker's composition root: the only place that knows all parts."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, cast

import faust
import tenacity
from prometheus_client import CollectorRegistry

from sluice import __version__
from sluice.config import AgentConfig, KafkaConfig, SpeechConfig
from sluice.contract import MODELS, OCR_MODELS, ModelSpec
from sluice.decoding.pool import DecodingPool
from sluice.errors import InferenceUnavailable, SluiceError
from sluice.features import Languages
from sluice.features.language import LanguageIdentifier
from sluice.features.text import TextExtractor
from sluice.inference.repository import find_missing
from sluice.inference.triton import TritonClassifier
from sluice.kafka import TopicIds, TopicNames, ensure_topics, recognise
from sluice.media.fetcher import MediaFetcher
from sluice.metrics import Metrics
from sluice.modalities.extraction import on_threads
from sluice.modalities.media import MediaSource
from sluice.modalities.parts import trace_of
from sluice.modalities.reading import PageReader
from sluice.modalities.registry import all_modalities
from sluice.pipeline import Pipeline
from sluice.settings import Settings
from sluice.speech.listener import Listener
from sluice.speech.weights import prepare_weights
from sluice.stream.agents import Intake, declare_agent, leaving
from sluice.stream.faust_app import build_faust
from sluice.stream.health import HealthServer
from sluice.stream.lifetime import guarding, leave, run_app
from sluice.stream.moderation import Moderator
from sluice.stream.offsets import Skipped
from sluice.stream.outbox import FaustOutbox
from sluice.stream.partitions import has_joined, read_waiting, report_lags
from sluice.stream.pulse import Pulse
from sluice.stream.readiness import TopicsExist, all_of, models_answer, when
from sluice.stream.topics import TopicWatch
from sluice.stream.transport import EMBEDDED_FETCH_WAIT_MS, FETCH_WAIT_MS, WorkerTransport
from sluice.stream.watchdog import Watchdog
from sluice.verdict.policy import load_policy

logger = logging.getLogger(__name__)

THREAD_NAME = "extract"

MARGIN_S = 10.0
"""For what a busy machine adds, before a worker counts as standing still."""


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
        decoders = DecodingPool(settings.memory.decoding)
        stack.push_async_callback(decoders.close)
        await decoders.start()
        fetcher = MediaFetcher(settings.media)
        ocr_models = await _find_ocr_models(settings)
        classifier = TritonClassifier(settings.inference, metrics, (*MODELS, *ocr_models))
        stack.push_async_callback(fetcher.close)
        stack.push_async_callback(classifier.close)
        text, identifier = await asyncio.get_running_loop().run_in_executor(words, _load_readers, settings.tokenizer)
        held = MediaSource(fetcher, settings.memory.media_bytes)

        def identify(texts: list[str]) -> list[Languages]:
            return identifier.identify(texts, classifier.languages)

        reader = PageReader(classifier, metrics, settings.picture_text) if ocr_models else None
        listener = await stack.enter_async_context(_listening(settings.speech))
        modalities = all_modalities(held, text.extract_batch, identify, on_threads(words), decoders, reader, listener)
        pipeline = Pipeline(modalities, classifier, policy, metrics, settings.pipeline)
        await _prepare(pipeline, settings.start_timeout_s)
        yield pipeline


@asynccontextmanager
async def _listening(config: SpeechConfig) -> AsyncIterator[Listener | None]:
    """What transcribes speech; None where that is not wanted. Raises `SettingsError` without the extra ``speech``."""
    if not config.enabled:
        yield None
        return
    folder = await asyncio.to_thread(prepare_weights)
    async with Listener(folder, config) as listener:
        yield listener


def _load_readers(tokenizer: Path | None) -> tuple[TextExtractor, LanguageIdentifier]:
    return TextExtractor(tokenizer), LanguageIdentifier()


@contextmanager
def _threads(n_threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for extraction; one that hangs in a decoder must not keep the process alive."""
    executor = ThreadPoolExecutor(n_threads, thread_name_prefix=THREAD_NAME)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


async def _find_ocr_models(settings: Settings) -> tuple[ModelSpec, ...]:
    """The models that read text in pictures; none where that is not wanted, or the repository lacks one."""
    if not settings.picture_text.enabled:
        return ()
    missing: list[str] = await _until_available(settings.start_timeout_s)(find_missing, settings.inference, OCR_MODELS)
    if missing:
        logger.warning("text in pictures is not read: Triton has no model %s", " and no model ".join(missing))
        return ()
    return OCR_MODELS


async def _prepare(pipeline: Pipeline, timeout_s: float) -> None:
    await _until_available(timeout_s)(pipeline.confirm)


def _until_available(timeout_s: float) -> tenacity.AsyncRetrying:
    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(InferenceUnavailable),
        wait=tenacity.wait_exponential(multiplier=0.1, max=1.0),
        stop=tenacity.stop_after_delay(timeout_s),
        reraise=True,
    )


async def serve(
    settings: Settings, until: asyncio.Event, started: asyncio.Event, intake_type: type[Intake] = Intake
) -> None:
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
    kafka = await asyncio.to_thread(recognise, settings.kafka)
    with tempfile.TemporaryDirectory(prefix="sluice-faust-") as scratch:
        async with open_pipeline(settings, metrics) as pipeline:
            app = build_faust(settings.kafka, settings.agent, Path(scratch))
            wait_ms = EMBEDDED_FETCH_WAIT_MS if kafka.embedded else FETCH_WAIT_MS
            app.transport = WorkerTransport(app, Skipped(metrics), wait_ms)
            started.set()
            async with _watching(app.transport, kafka):
                await _moderate(app, pipeline, settings, metrics, until, intake_type)


@asynccontextmanager
async def _watching(transport: WorkerTransport, kafka: KafkaConfig) -> AsyncIterator[None]:
    """Look out for a posts topic made anew; the embedded broker cannot delete one."""
    if kafka.embedded:
        yield
        return
    read_id = partial(TopicIds(kafka).read, kafka.topics.posts)
    watch = TopicWatch(read_id, transport.read_anew, transport.settle)
    watching = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        watching.cancel()


async def _moderate(
    app: faust.App,
    pipeline: Pipeline,
    settings: Settings,
    metrics: Metrics,
    until: asyncio.Event,
    intake_type: type[Intake],
) -> None:
    topics, pulse = settings.kafka.topics, Pulse()
    outbox, n_at_once = FaustOutbox(app, topics), settings.agent.max_in_flight
    moderator = Moderator(pipeline, outbox, topics, metrics, leaving(app), n_at_once, pulse=pulse)
    intake = intake_type(app, settings.agent, moderator, metrics, cast(WorkerTransport, app.transport).crashes)
    declare_agent(app, topics.posts, intake)
    ready = all_of(
        when(lambda: None if has_joined(app) else "the consumer group is not joined yet"),
        when(lambda: pulse.unpublished),
        TopicsExist(topics.all(), TopicNames(settings.kafka).read),
        models_answer(pipeline.confirm),
    )
    health = HealthServer(metrics.registry, lambda: report_lags(app, metrics), ready)
    await health.start(settings.metrics_host, settings.metrics_port)
    deadline_s = settings.pipeline.max_deadline_ms / 1000
    watchdog = Watchdog(intake, lambda: read_waiting(app), pulse, _patience_s(deadline_s, settings.agent))
    try:
        async with guarding(app, watchdog, deadline_s + MARGIN_S):
            await run_app(app, until, deadline_s)
    finally:
        await health.stop()


def _patience_s(deadline_s: float, agent: AgentConfig) -> float:
    """How long a post may be without an outcome: its deadline, and a send that waits for room and for an answer."""
    return deadline_s + 2 * agent.session_timeout_s + MARGIN_S


def run_worker(settings: Settings, intake_type: type[Intake] = Intake) -> NoReturn:
    """Run a worker until SIGTERM or SIGINT, and end the process: with status 0, or 1 if something failed.

    The process is left, not unwound: `asyncio.run` would wait for tasks that Faust's supervisors start anew, and Python
    for a thread that hangs in a decoder.
    """
    status = 1
    try:
        asyncio.new_event_loop().run_until_complete(_serve_until_signal(settings, intake_type))
        status = 0
    except SluiceError as error:
        print(f"sluice: {error}", file=sys.stderr)
    except BaseException as error:
        logger.critical("the worker failed: %s\n%s", type(error).__name__, trace_of(error))
    finally:
        leave(status)


async def _serve_until_signal(settings: Settings, intake_type: type[Intake]) -> None:
    until, started = asyncio.Event(), asyncio.Event()

    def asked_to_leave() -> None:
        until.set()
        if not started.is_set():
            leave(0)  # nothing is taken from Kafka yet; waiting for Kafka or Triton cannot be interrupted otherwise

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_leave)
    await serve(settings, until, started, intake_type)
