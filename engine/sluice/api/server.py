"""Runs the HTTP application on a pipeline until a signal ends it: the server's composition root."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from sluice import __version__
from sluice.api.app import make_app
from sluice.api.config import ApiConfig
from sluice.api.connections import listen, make_server
from sluice.api.feedback import Feedback, FeedbackFile, FeedbackTopic
from sluice.api.keys import KeyRing, load_keys
from sluice.api.scoring import ScoringService
from sluice.config import KafkaConfig
from sluice.kafka import ensure_topics
from sluice.metrics import Metrics
from sluice.opening import open_pipeline
from sluice.policies.desk import PolicyDesk
from sluice.policies.follower import following
from sluice.settings import Settings
from sluice.tracing import open_tracer
from sluice.verdict.policy_file import PolicyFile
from sluice.watching.follower import watching
from sluice.watching.in_force import Watched
from sluice.watching.lists import ListDesk, open_desk

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


@asynccontextmanager
async def _sharing(settings: Settings, config: ApiConfig, policy: PolicyFile) -> AsyncIterator[PolicyDesk | None]:
    """Decide by the topic's policies, where there is a Kafka; raises `KafkaUnavailable`."""
    if config.kafka is None:
        yield None
        return
    timeout_s = settings.start_timeout_s
    await asyncio.to_thread(ensure_topics, config.kafka, timeout_s, (config.kafka.topics.policies,))
    async with following(config.kafka, policy, timeout_s):
        yield PolicyDesk(config.kafka, settings.policy_path, ANSWER_S)


@asynccontextmanager
async def _sharing_lists(settings: Settings, config: ApiConfig, watched: Watched) -> AsyncIterator[ListDesk | None]:
    """Look for what the topics of lists and hashes hold, where there is a Kafka; raises `KafkaUnavailable`."""
    if config.kafka is None:
        yield None
        return
    timeout_s, topics = settings.start_timeout_s, (config.kafka.topics.lists, config.kafka.topics.hashes)
    await asyncio.to_thread(ensure_topics, config.kafka, timeout_s, topics)
    async with watching(config.kafka, watched, timeout_s):
        yield open_desk(config.kafka, ANSWER_S)


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
    watched = Watched(settings.lists_path, metrics)

    def reload() -> None:
        policy.reload()
        watched.reload()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    async with AsyncExitStack() as stack:
        tracer = open_tracer(settings.tracing)
        stack.callback(tracer.close)
        pipeline = await stack.enter_async_context(open_pipeline(settings, metrics, policy, tracer, watched))
        desk = await stack.enter_async_context(_sharing(settings, config, policy))
        lists = await stack.enter_async_context(_sharing_lists(settings, config, watched))
        service = ScoringService(pipeline, config.max_in_flight)
        app = make_app(config, service, metrics.registry, ring, feedback, desk, tracer, decisions, lists)
        server = make_server(app, config)
        host, port = listening.getsockname()[:2]
        say(
            f"listening on http://{f'[{host}]' if ':' in host else host}:{port} (a page to try it on; endpoints: /docs)"
        )
        await server.serve(sockets=[listening])
