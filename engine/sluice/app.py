"""The worker's composition root: the only place that knows all parts."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, cast

import faust
import tenacity
from prometheus_client import CollectorRegistry

from sluice import __version__
from sluice.config import AgentConfig, KafkaConfig
from sluice.errors import SluiceError
from sluice.history.follower import remembering
from sluice.kafka import TopicIds, TopicNames, ensure_topics, recognise
from sluice.metrics import Metrics
from sluice.modalities.parts import trace_of
from sluice.opening import open_pipeline, saying_if_late
from sluice.pipeline import Pipeline
from sluice.policies.follower import following
from sluice.settings import Settings
from sluice.stream.agents import Intake, declare_agent, leaving
from sluice.stream.backlog import first_come, newest_deadline_first
from sluice.stream.faust_app import build_faust
from sluice.stream.gathering import Gathering
from sluice.stream.health import HealthServer
from sluice.stream.lifetime import guarding, leave, run_app, share_interpreter, spare_collections
from sluice.stream.moderation import Moderator
from sluice.stream.offsets import Skipped
from sluice.stream.outbox import FaustOutbox
from sluice.stream.partitions import has_joined, log_rebalances, read_waiting, report_lags
from sluice.stream.pulse import Pulse
from sluice.stream.readiness import Check, TopicsExist, all_of, models_answer, when
from sluice.stream.topics import TopicWatch
from sluice.stream.transport import EMBEDDED_FETCH_WAIT_MS, FETCH_WAIT_MS, MANY_POSTS, WorkerTransport
from sluice.stream.watchdog import Watchdog
from sluice.tracing import Tracer, open_tracer
from sluice.verdict.policy_file import PolicyFile
from sluice.watching.follower import watching
from sluice.watching.in_force import Watched

logger = logging.getLogger(__name__)

READY_CHECK_S = 0.2

MARGIN_S = 10.0
"""For what a busy machine adds, before a worker counts as standing still."""


async def serve(
    settings: Settings,
    policy: PolicyFile,
    watched: Watched,
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
        await _serve(settings, policy, watched, metrics, until, started, intake_type, health, tracer)
    finally:
        await health.stop()
        await asyncio.to_thread(tracer.close)


async def _serve(
    settings: Settings,
    policy: PolicyFile,
    watched: Watched,
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
        async with open_pipeline(settings, metrics, policy, tracer, watched) as pipeline:
            app = build_faust(settings.kafka, settings.agent, Path(scratch))
            wait_ms = EMBEDDED_FETCH_WAIT_MS if kafka.embedded else FETCH_WAIT_MS
            app.transport = WorkerTransport(app, Skipped(metrics), wait_ms)
            spare_collections()
            share_interpreter()
            async with (
                following(kafka, policy, timeout_s),
                watching(kafka, watched, timeout_s),
                remembering(kafka, settings.history, policy, metrics, timeout_s, settings.agent.group) as authors,
                _watching(app.transport, kafka),
            ):
                pipeline.remember(authors)
                started.set()
                await _moderate(app, pipeline, settings, metrics, until, intake_type, health, tracer)


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
    transport = cast(WorkerTransport, app.transport)
    gathering = Gathering(lambda: transport.count_posts() >= MANY_POSTS)
    outbox, n_at_once = FaustOutbox(app, gathering), settings.agent.max_in_flight
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
    intake = intake_type(app, settings.agent, moderator, metrics, transport.crashes)
    transport.count_posts = intake.count
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
    watched = Watched(settings.lists_path, settings.hashes_path, metrics)

    def asked_to_leave(number: signal.Signals) -> None:
        logger.info("%s: stops once the posts in flight are done", number.name)
        until.set()
        if not started.is_set():
            leave(0)  # nothing is taken from Kafka yet; waiting for Kafka or Triton cannot be interrupted otherwise

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_leave, number)

    def reload() -> None:
        policy.reload()
        watched.reload()

    loop.add_signal_handler(signal.SIGHUP, reload)
    await serve(settings, policy, watched, metrics, until, started, intake_type)
