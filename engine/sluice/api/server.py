"""Runs the HTTP application on a pipeline until a signal ends it: the server's composition root."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from sluice import __version__
from sluice.api.app import make_app
from sluice.api.config import ApiConfig
from sluice.api.connections import make_server
from sluice.api.feedback import Feedback
from sluice.api.keys import KeyRing, load_keys
from sluice.api.scoring import ScoringService
from sluice.app import open_pipeline
from sluice.errors import SettingsError
from sluice.kafka import ensure_topics
from sluice.metrics import Metrics
from sluice.policies.desk import PolicyDesk
from sluice.policies.follower import following
from sluice.settings import Settings
from sluice.verdict.policy_file import PolicyFile

ANSWER_S = 10.0
"""How long a request about policies waits for Kafka."""


def run_server(
    settings: Settings, config: ApiConfig, host: str, port: int, feedback: Path | None, say: Callable[[str], None]
) -> None:
    """Serve until SIGINT or SIGTERM.

    Parameters
    ----------
    feedback : Path or None
        Where suggestions are kept.
    say : callable
        Told the address once requests are answered.

    Raises
    ------
    SettingsError
        The address is taken, or the file of keys is wrong.
    """
    ring = KeyRing(load_keys(config.keys_file)) if config.keys_file else None
    with _listen(host, port) as listening:
        asyncio.run(_serve(settings, config, ring, Feedback(feedback), listening, say))


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}") from error


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


async def _serve(
    settings: Settings,
    config: ApiConfig,
    ring: KeyRing | None,
    feedback: Feedback,
    listening: socket.socket,
    say: Callable[[str], None],
) -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.build.info({"version": __version__})
    metrics.add_process()
    policy = PolicyFile(settings.policy_path, metrics)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, policy.reload)
    async with open_pipeline(settings, metrics, policy) as pipeline, _sharing(settings, config, policy) as desk:
        service = ScoringService(pipeline, config.max_in_flight)
        app = make_app(config, service, metrics.registry, ring, feedback, desk)
        server = make_server(app, config)
        host, port = listening.getsockname()[:2]
        say(
            f"listening on http://{f'[{host}]' if ':' in host else host}:{port} (a page to try it on; endpoints: /docs)"
        )
        await server.serve(sockets=[listening])
