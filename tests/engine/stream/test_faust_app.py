"""How Faust is set up."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import faust
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from sluice.config import AgentConfig, KafkaConfig, OAuthConfig
from sluice.errors import SettingsError
from sluice.kafka import MAX_MESSAGE_BYTES
from sluice.settings import load_settings
from sluice.stream.faust_app import build_faust
from sluice.stream.oauth import ClientCredentials


@pytest.mark.parametrize("session_timeout_s", ["6", "30", "1800"])
def test_every_session_timeout_that_the_settings_take_is_one_for_faust(session_timeout_s: str, tmp_path: Path) -> None:
    environment = {"SLUICE_SESSION_TIMEOUT_S": session_timeout_s, "SLUICE_MAX_DEADLINE_MS": "5000"}
    settings = load_settings(environment)
    conf = build_faust(settings.kafka, settings.agent, tmp_path).conf
    assert conf.broker_session_timeout == float(session_timeout_s)
    assert conf.broker_session_timeout <= conf.broker_rebalance_timeout <= conf.broker_request_timeout
    assert conf.broker_heartbeat_interval < conf.broker_session_timeout / 3


CREDENTIALS = {"SLUICE_KAFKA_SASL_USERNAME": "u", "SLUICE_KAFKA_SASL_PASSWORD": "made-up"}


def build(tmp_path: Path, **environment: str) -> faust.App:
    settings = load_settings(environment)
    return build_faust(settings.kafka, settings.agent, tmp_path)


def credentials_of(app: faust.App) -> Any:
    return app.conf.broker_credentials


def test_nothing_is_lost_by_how_it_is_set_up(tmp_path: Path) -> None:
    conf = build(tmp_path).conf
    assert conf.producer_acks == -1
    assert conf.stream_wait_empty  # a rebalance waits for the posts in flight
    assert not conf.topic_allow_declare
    assert conf.producer_max_request_size == conf.consumer_max_fetch_size == MAX_MESSAGE_BYTES


def test_every_broker_is_named_and_the_group_is_the_settings(tmp_path: Path) -> None:
    app = build(tmp_path, SLUICE_KAFKA="k1:9092,k2:9093", SLUICE_GROUP="mine")
    assert [str(url) for url in app.conf.broker] == ["aiokafka://k1:9092", "aiokafka://k2:9093"]
    assert app.conf.id == "mine"


def test_faust_makes_its_folders_where_it_is_told(tmp_path: Path) -> None:
    assert build(tmp_path).conf.datadir == tmp_path


def test_without_a_login_there_are_no_credentials(tmp_path: Path) -> None:
    assert credentials_of(build(tmp_path)) is None


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_password_is_encrypted_where_the_protocol_says_so(tmp_path: Path, protocol: str, mechanism: str) -> None:
    security = {"SLUICE_KAFKA_SECURITY_PROTOCOL": protocol, "SLUICE_KAFKA_SASL_MECHANISM": mechanism}
    found = credentials_of(build(tmp_path, **security, **CREDENTIALS))
    assert (found.username, found.password, str(found.mechanism.value)) == ("u", "made-up", mechanism)
    assert (found.ssl_context is not None) == (protocol == "SASL_SSL")


def test_tls_alone_checks_whom_it_talks_to(tmp_path: Path) -> None:
    context = credentials_of(build(tmp_path, SLUICE_KAFKA_SECURITY_PROTOCOL="SSL")).context
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_token_is_fetched_by_whoever_connects(tmp_path: Path) -> None:
    oauth = OAuthConfig("https://idp/token", "sluice", "made-up")
    kafka = KafkaConfig("k:9092", "SASL_PLAINTEXT", "OAUTHBEARER", oauth=oauth)
    found = credentials_of(build_faust(kafka, AgentConfig(), tmp_path))
    assert isinstance(found.oauth_cb, ClientCredentials)


@pytest.mark.parametrize("field", ["ca_file", "certificate_file"])
def test_a_file_that_is_no_certificate_is_a_wrong_setting(tmp_path: Path, field: str) -> None:
    (tmp_path / "wrong.pem").write_text("no certificate")
    kafka = replace(KafkaConfig("k:9092", "SSL"), **{field: str(tmp_path / "wrong.pem")})
    with pytest.raises(SettingsError, match="_FILE: not what TLS needs"):
        build_faust(kafka, AgentConfig(), tmp_path)


def test_a_key_with_a_password_never_asks_the_terminal(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("worker.example")
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"hush")
    )
    (tmp_path / "key.pem").write_bytes(locked)
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    kafka = KafkaConfig(
        "k:9092", "SSL", certificate_file=str(tmp_path / "cert.pem"), key_file=str(tmp_path / "key.pem")
    )
    with pytest.raises(SettingsError, match="not what TLS needs"):
        build_faust(kafka, AgentConfig(), tmp_path)
    build_faust(replace(kafka, key_password="hush"), AgentConfig(), tmp_path)
