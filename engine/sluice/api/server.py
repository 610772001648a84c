"""Runs the HTTP application on a pipeline until a signal ends it: the server's composition root."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from prometheus_client import CollectorRegistry

from sluice import __version__
from sluice.api.app import make_app
from sluice.api.config import ApiConfig
from sluice.api.connections import listen, make_server
from sluice.api.explanations import Explainer
from sluice.api.feedback import Feedback, FeedbackFile, FeedbackTopic
from sluice.api.keys import KeyRing, load_keys
from sluice.api.scoring import ScoringService
from sluice.client.reports import ReportPublisher
from sluice.config import KafkaConfig
from sluice.history.follower import remembering
from sluice.history.remembered import RememberedAuthors
from sluice.jobs.commands import open_job_desk
from sluice.kafka import ensure_topics
from sluice.metrics import Metrics
from sluice.opening import open_pipeline
from sluice.policies.desk import PolicyDesk
from sluice.policies.follower import following
from sluice.settings import Settings
from sluice.tracing import open_tracer
from sluice.verdict.policy_file import PolicyFile
from sluice.watching.follower import watching
from sluice.watching.hashes import BankDesk
from sluice.watching.hashes import open_desk as open_banks
from sluice.watching.in_force import Watched
from sluice.watching.lists import ListDesk
from sluice.watching.lists import open_desk as open_lists

ANSWER_S = 10.0
"""How long a request about policies waits for Kafka."""


def run_server(
    settings: Settings,
    config: ApiConfig,
    host: str,
    port: int,
    say: Callable[[str], None],
    feedback_file: Path | None = None,
    feedback_kafka: KafkaConfig | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Parameters
    ----------
    say : callable
        Told the address once requests are answered.
    feedback_file : Path or None
        Where suggestions are kept.
    feedback_kafka : KafkaConfig or None
        On which cluster's topic they are, and what people decide on another one.

    Raises
    ------
    SettingsError
        The address is taken, or the file of keys is wrong.
    KafkaUnavailable
        There is no topic for suggestions.
    """
    ring = KeyRing(load_keys(config.keys_file)) if config.keys_file else None
    if feedback_kafka is not None:
        topics = feedback_kafka.topics
        ensure_topics(feedback_kafka, settings.start_timeout_s, (topics.feedback, topics.decisions))
    feedback = _keep_feedback(feedback_file, feedback_kafka)
    decisions = _keep_decisions(feedback_kafka)
    with listen(host, port) as listening:
        asyncio.run(_serve(settings, config, ring, feedback, decisions, listening, say))


def _keep_feedback(file: Path | None, kafka: KafkaConfig | None) -> Feedback:
    files = [FeedbackFile(file)] if file else []
    return Feedback([*files, *([FeedbackTopic(kafka, kafka.topics.feedback)] if kafka else [])])


def _keep_decisions(kafka: KafkaConfig | None) -> Feedback:
    return Feedback([FeedbackTopic(kafka, kafka.topics.decisions)] if kafka else [])


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a server has that follows a Kafka."""

    desk: PolicyDesk | None = None
    reports: ReportPublisher | None = None
    authors: RememberedAuthors | None = None


@asynccontextmanager
async def _sharing(
    settings: Settings, config: ApiConfig, policy: PolicyFile, metrics: Metrics
) -> AsyncIterator[_Shared]:
    """Decide by the topic's policies, and what is known of authors, where there is a Kafka.

    Raises
    ------
    KafkaUnavailable, SettingsError
        See `sluice.policies.follower.following` and `sluice.history.follower.remembering`.
    """
    kafka, timeout_s = config.kafka, settings.start_timeout_s
    if kafka is None:
        yield _Shared()
        return
    await asyncio.to_thread(ensure_topics, kafka, timeout_s, (kafka.topics.policies, kafka.topics.reports))
    async with (
        following(kafka, policy, timeout_s),
        remembering(kafka, settings.history, policy, metrics, timeout_s) as authors,
    ):
        yield _Shared(PolicyDesk(kafka, settings.policy_path, ANSWER_S), ReportPublisher(kafka, ANSWER_S), authors)


@dataclass(frozen=True, slots=True)
class _Desks:
    """Where lists and banks are changed."""

    lists: ListDesk | None = None
    banks: BankDesk | None = None


@asynccontextmanager
async def _sharing_lists(settings: Settings, config: ApiConfig, watched: Watched) -> AsyncIterator[_Desks]:
    """Look for what the topics of lists and hashes hold, where there is a Kafka; raises `KafkaUnavailable`."""
    if config.kafka is None:
        yield _Desks()
        return
    timeout_s, topics = settings.start_timeout_s, (config.kafka.topics.lists, config.kafka.topics.hashes)
    await asyncio.to_thread(ensure_topics, config.kafka, timeout_s, topics)
    async with watching(config.kafka, watched, timeout_s):
        yield _Desks(open_lists(config.kafka, ANSWER_S), open_banks(config.kafka, ANSWER_S))


async def _serve(
    settings: Settings,
    config: ApiConfig,
    ring: KeyRing | None,
    feedback: Feedback,
    decisions: Feedback,
    listening: socket.socket,
    say: Callable[[str], None],
) -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.build.info({"version": __version__})
    metrics.add_process()
    policy = PolicyFile(settings.policy_path, metrics)
    watched = Watched(settings.lists_path, settings.hashes_path, metrics)

    def reload() -> None:
        policy.reload()
        watched.reload()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    async with AsyncExitStack() as stack:
        tracer = open_tracer(settings.tracing)
        stack.callback(tracer.close)
        pipeline = await stack.enter_async_context(open_pipeline(settings, metrics, policy, tracer, watched))
        shared = await stack.enter_async_context(_sharing(settings, config, policy, metrics))
        pipeline.remember(shared.authors)
        desks = await stack.enter_async_context(_sharing_lists(settings, config, watched))
        service = ScoringService(pipeline, config.max_in_flight)
        registry, desk, reports, authors = metrics.registry, shared.desk, shared.reports, shared.authors
        app = make_app(
            replace(config, places=replace(config.places, triton=settings.inference.triton)),
            service,
            registry,
            ring,
            feedback,
            desk,
            tracer,
            decisions,
            desks.lists,
            reports,
            authors,
            desks.banks,
            Explainer(config.kafka, ANSWER_S) if config.kafka else None,
            open_job_desk(config.kafka) if config.kafka else None,
        )
        server = make_server(app, config)
        host, port = listening.getsockname()[:2]
        say(
            f"listening on http://{f'[{host}]' if ':' in host else host}:{port} (a page to try it on; endpoints: /docs)"
        )
        await server.serve(sockets=[listening])
