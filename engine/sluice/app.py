"""The worker's composition root: the only place that knows all parts."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
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
from sluice.policies.follower import following
from sluice.repeats import Repeats
from sluice.settings import Settings
from sluice.speech.listener import Listener
from sluice.speech.weights import prepare_weights
from sluice.stream.agents import Intake, declare_agent, leaving
from sluice.stream.backlog import first_come, newest_deadline_first
from sluice.stream.faust_app import build_faust
from sluice.stream.health import HealthServer
from sluice.stream.lifetime import guarding, leave, run_app, spare_collections
from sluice.stream.moderation import Moderator
from sluice.stream.offsets import Skipped
from sluice.stream.outbox import FaustOutbox
from sluice.stream.partitions import has_joined, log_rebalances, read_waiting, report_lags
from sluice.stream.pulse import Pulse
from sluice.stream.readiness import Check, TopicsExist, all_of, models_answer, when
from sluice.stream.topics import TopicWatch
from sluice.stream.transport import EMBEDDED_FETCH_WAIT_MS, FETCH_WAIT_MS, WorkerTransport
from sluice.stream.watchdog import Watchdog
from sluice.tracing import UNTRACED, Tracer, open_tracer
from sluice.verdict.policy_file import PolicyFile

logger = logging.getLogger(__name__)

THREAD_NAME = "extract"

READY_CHECK_S = 0.2

LATE_S = 5.0
"""A server that has not answered for so long is named in the log."""

MARGIN_S = 10.0
"""For what a busy machine adds, before a worker counts as standing still."""


@asynccontextmanager
async def open_pipeline(
    settings: Settings, metrics: Metrics, policy: PolicyFile | None = None, tracer: Tracer = UNTRACED
) -> AsyncIterator[Pipeline]:
    """Build the pipeline on a Triton that answers, and close it all after.

    Parameters
    ----------
    policy : PolicyFile or None
        What to decide by; None reads the settings' file.
    tracer : Tracer
        Makes spans of a post's way; the caller's to close.

    Raises
    ------
    InferenceUnavailable
        Triton did not answer within `settings.start_timeout_s`; names its address.
    PolicyError
        The policy file is wrong.
    """
    policy = policy or PolicyFile(settings.policy_path, metrics)
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
        cache_mb = settings.memory.cache_mb
        repeats = Repeats(cache_mb * 2**20, metrics) if cache_mb else None
        pipeline = Pipeline(
            modalities, classifier, policy.current, metrics, settings.pipeline, repeats=repeats, tracer=tracer
        )
        stack.push_async_callback(pipeline.close)
        policy.used_by(pipeline.use_policies)
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
    # A few short texts are cut into pieces in less time than it takes to share them out among threads of its own and to
    # wait until each of those has had a core: with the models on all of them, milliseconds in which no post moves.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
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
    with saying_if_late("Triton", timeout_s):
        await _until_available(timeout_s)(pipeline.confirm)


def _until_available(timeout_s: float) -> tenacity.AsyncRetrying:
    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(InferenceUnavailable),
        wait=tenacity.wait_exponential(multiplier=0.1, max=1.0),
        stop=tenacity.stop_after_delay(timeout_s),
        reraise=True,
    )


async def serve(
    settings: Settings,
    policy: PolicyFile,
    metrics: Metrics,
    until: asyncio.Event,
    started: asyncio.Event,
    intake_type: type[Intake] = Intake,
) -> None:
    """Moderate posts until `until` is set; sets `started` before the first is taken.

    Raises
    ------
    SluiceError
        Kafka or Triton did not answer in time, or a setting is wrong.
    """
    health, tracer = HealthServer(metrics.registry), open_tracer(settings.tracing)
    await health.start(settings.metrics_host, settings.metrics_port)
    try:
        await _serve(settings, policy, metrics, until, started, intake_type, health, tracer)
    finally:
        await health.stop()
        await asyncio.to_thread(tracer.close)


async def _serve(
    settings: Settings,
    policy: PolicyFile,
    metrics: Metrics,
    until: asyncio.Event,
    started: asyncio.Event,
    intake_type: type[Intake],
    health: HealthServer,
    tracer: Tracer,
) -> None:
    timeout_s = settings.start_timeout_s
    logger.info("connecting to Kafka at %s and Triton at %s", settings.kafka.bootstrap, settings.inference.triton)
    with saying_if_late(f"Kafka at {settings.kafka.bootstrap}", timeout_s):
        await asyncio.to_thread(ensure_topics, settings.kafka, timeout_s)
    kafka = await asyncio.to_thread(recognise, settings.kafka)
    with tempfile.TemporaryDirectory(prefix="sluice-faust-") as scratch:
        async with open_pipeline(settings, metrics, policy, tracer) as pipeline:
            app = build_faust(settings.kafka, settings.agent, Path(scratch))
            wait_ms = EMBEDDED_FETCH_WAIT_MS if kafka.embedded else FETCH_WAIT_MS
            app.transport = WorkerTransport(app, Skipped(metrics), wait_ms)
            spare_collections()
            async with following(kafka, policy, timeout_s), _watching(app.transport, kafka):
                started.set()
                await _moderate(app, pipeline, settings, metrics, until, intake_type, health, tracer)


@contextmanager
def saying_if_late(what: str, timeout_s: float) -> Iterator[None]:
    """Name in the log what has not answered for `LATE_S`, long before it is given up."""
    late = "%s has not answered for %g s; it is given up after %g s (SLUICE_START_TIMEOUT_S)"
    timer = asyncio.get_running_loop().call_later(LATE_S, logger.warning, late, what, LATE_S, timeout_s)
    try:
        yield
    finally:
        timer.cancel()


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
    health: HealthServer,
    tracer: Tracer,
) -> None:
    topics, pulse = settings.kafka.topics, Pulse()
    outbox, n_at_once = FaustOutbox(app), settings.agent.max_in_flight
    rank = newest_deadline_first(settings.pipeline.deadline_ms) if settings.agent.newest_first else first_come
    moderator = Moderator(
        pipeline,
        outbox,
        topics,
        metrics,
        leaving(app),
        n_at_once,
        pulse=pulse,
        rank=rank,
        tracer=tracer,
        verdict_format=settings.verdict_format,
    )
    intake = intake_type(app, settings.agent, moderator, metrics, cast(WorkerTransport, app.transport).crashes)
    declare_agent(app, topics.posts, intake)
    ready = all_of(
        when(lambda: None if has_joined(app) else "the consumer group is not joined yet"),
        when(lambda: pulse.unpublished),
        TopicsExist(topics.of_posts(), TopicNames(settings.kafka).read),
        models_answer(pipeline.confirm),
    )
    log_rebalances(app)
    health.watch(lambda: report_lags(app, metrics), ready)
    deadline_s = settings.pipeline.max_deadline_ms / 1000
    watchdog = Watchdog(intake, lambda: read_waiting(app), pulse, _patience_s(deadline_s, settings.agent))
    announcing = asyncio.create_task(_announce(ready))
    try:
        async with guarding(app, watchdog, deadline_s + MARGIN_S):
            await run_app(app, until, deadline_s)
    finally:
        announcing.cancel()
    logger.info("stopped; %d posts were taken", intake.n_taken)


async def _announce(ready: Check) -> None:
    """Log the moment from which posts are scored."""
    until_ready = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_result(lambda lacking: lacking is not None), wait=tenacity.wait_fixed(READY_CHECK_S)
    )
    await until_ready(ready)
    logger.info("ready")


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
        logger.critical("%s", error)
    except BaseException as error:
        logger.critical("the worker failed: %s\n%s", type(error).__name__, trace_of(error))
    finally:
        leave(status)


async def _serve_until_signal(settings: Settings, intake_type: type[Intake]) -> None:
    loop, until, started = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    metrics = Metrics(CollectorRegistry())
    metrics.build.info({"version": __version__})
    metrics.add_process()
    logger.info("sluice %s starts, process %d", __version__, os.getpid())
    policy = PolicyFile(settings.policy_path, metrics)

    def asked_to_leave(number: signal.Signals) -> None:
        logger.info("%s: stops once the posts in flight are done", number.name)
        until.set()
        if not started.is_set():
            leave(0)  # nothing is taken from Kafka yet; waiting for Kafka or Triton cannot be interrupted otherwise

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_leave, number)
    loop.add_signal_handler(signal.SIGHUP, policy.reload)
    await serve(settings, policy, metrics, until, started, intake_type)
