"""Faust, set up so that it loses nothing."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import faust
import faust.auth

from sluice.config import AgentConfig, KafkaConfig
from sluice.errors import SettingsError
from sluice.kafka import MAX_MESSAGE_BYTES
from sluice.stream.byte_queue import ByteBoundApp
from sluice.stream.oauth import ClientCredentials

METADATA_MAX_AGE_MS = 10_000
"""After so long added partitions are seen, and shared out by a rebalance."""


def build_faust(kafka: KafkaConfig, agent: AgentConfig, scratch: Path) -> faust.App:
    """Build the app; the topics exist already and are never declared by it.

    Parameters
    ----------
    scratch : Path
        Where Faust makes its empty folders; else it makes them where the worker was started, or fails if it may not.
    """
    app = ByteBoundApp(
        agent.group,
        broker=[f"aiokafka://{address}" for address in kafka.bootstrap.split(",")],
        broker_credentials=_credentials(kafka),
        datadir=scratch,
        broker_commit_interval=1.0,
        broker_session_timeout=agent.session_timeout_s,
        broker_heartbeat_interval=min(3.0, agent.session_timeout_s / 4),
        broker_rebalance_timeout=max(60.0, agent.session_timeout_s),  # it waits for the posts in flight
        broker_request_timeout=agent.session_timeout_s + 60.0,  # Faust takes no shorter one than the session's
        consumer_max_fetch_size=MAX_MESSAGE_BYTES,
        consumer_metadata_max_age_ms=METADATA_MAX_AGE_MS,
        producer_acks=-1,
        producer_linger=0.0,  # `Gathering` waits, where that is worth it
        producer_request_timeout=agent.session_timeout_s,  # by default a send waits 20 minutes for a broker
        producer_max_request_size=MAX_MESSAGE_BYTES,
        stream_buffer_maxsize=16384,
        stream_wait_empty=True,
        topic_allow_declare=False,
        topic_disable_leader=True,
        store="memory://",
        web_enabled=False,
    )
    app.max_buffer_bytes = agent.max_waiting_bytes
    return app


def _credentials(kafka: KafkaConfig) -> Any:
    context = _tls_context(kafka) if kafka.uses_tls else None
    if kafka.uses_oauth and kafka.oauth is not None:
        return faust.auth.OAuthCredentials(oauth_cb=ClientCredentials(kafka.oauth), ssl_context=context)
    if kafka.uses_sasl:
        return faust.SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password,
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


def _tls_context(kafka: KafkaConfig) -> ssl.SSLContext:
    """Raises `SettingsError` where a file is none of certificates, or does not fit the key."""
    try:
        context = ssl.create_default_context(cafile=kafka.ca_file)
        if kafka.certificate_file:
            # Without a password OpenSSL would ask the terminal for one.
            context.load_cert_chain(kafka.certificate_file, kafka.key_file, password=kafka.key_password or "")
    except (ssl.SSLError, OSError) as error:
        raise SettingsError(f"SLUICE_KAFKA_…_FILE: not what TLS needs: {error.strerror or error}") from error
    return context
