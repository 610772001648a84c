"""Configuration: what it derives, and what it never shows."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest
from confluent_kafka.admin import AdminClient
from hypothesis import given
from hypothesis import strategies as st

from sluice import config
from sluice.config import (
    SASL_MECHANISMS,
    AgentConfig,
    InferenceConfig,
    KafkaConfig,
    MediaConfig,
    OAuthConfig,
    PipelineConfig,
    SecurityProtocol,
    Topics,
)
from sluice.memory_plan import MemoryPlan

PROTOCOLS: tuple[SecurityProtocol, ...] = get_args(SecurityProtocol)
OAUTH = OAuthConfig("https://idp:8443/token", "sluice", "made-up", "kafka", "/idp.pem")
CONFIGS = [found for found in vars(config).values() if dataclasses.is_dataclass(found)]


@pytest.mark.parametrize("kind", CONFIGS, ids=lambda kind: kind.__name__)
def test_configurations_cannot_change(kind: type) -> None:
    made = OAUTH if kind is OAuthConfig else kind()
    field = dataclasses.fields(kind)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, field, None)


def test_topics_are_told_apart_with_the_input_first() -> None:
    assert Topics().all()[0] == Topics().posts
    names = dataclasses.asdict(Topics()).values()
    assert len(set(names)) == len(names)
    topics = Topics()
    assert set(names) - set(topics.all()) == {
        topics.feedback, topics.shadow, topics.decisions, topics.reports, topics.posts_high, topics.erasures,
        topics.audit,
    }  # fmt: skip
    assert KafkaConfig().for_high().topics.all()[0] == topics.posts_high


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_protocol_is_encrypted_asks_for_a_login_or_both(protocol: SecurityProtocol) -> None:
    kafka = KafkaConfig(security_protocol=protocol, sasl_username="u", sasl_password="p")
    assert (kafka.uses_tls, kafka.uses_sasl) == ("SSL" in protocol.split("_")[-1], protocol.startswith("SASL_"))
    properties = kafka.librdkafka()
    assert properties["security.protocol"] == protocol.lower()
    assert ("sasl.password" in properties) == kafka.uses_sasl


@pytest.mark.parametrize("mechanism", [name for name in SASL_MECHANISMS if name != "OAUTHBEARER"])
def test_a_password_is_given_to_librdkafka_for_every_mechanism(mechanism: str) -> None:
    kafka = KafkaConfig("k:9093", "SASL_SSL", mechanism, "user", "pass")
    assert kafka.librdkafka() | {"sasl.mechanism": mechanism, "sasl.username": "user", "sasl.password": "pass"} == (
        kafka.librdkafka()
    )
    AdminClient({**kafka.librdkafka(), "log_level": 0})  # it takes every property


def test_a_token_replaces_name_and_password() -> None:
    kafka = KafkaConfig("k:9093", "SASL_SSL", "OAUTHBEARER", "ignored", "ignored", oauth=OAUTH)
    properties = kafka.librdkafka()
    assert kafka.uses_oauth
    assert properties["sasl.oauthbearer.method"] == "oidc"
    assert properties["sasl.oauthbearer.token.endpoint.url"] == OAUTH.token_url
    assert properties["https.ca.location"] == "/idp.pem"
    assert "ignored" not in properties.values()


def test_what_the_provider_does_not_ask_for_is_not_sent() -> None:
    bare = dataclasses.replace(OAUTH, scope=None, ca_file=None)
    properties = KafkaConfig("k", "SASL_SSL", "OAUTHBEARER", oauth=bare).librdkafka()
    assert not {"sasl.oauthbearer.scope", "https.ca.location"} & set(properties)


def test_a_token_counts_only_where_the_protocol_carries_one() -> None:
    assert not KafkaConfig("k", "SSL", "OAUTHBEARER", oauth=OAUTH).uses_oauth
    assert not KafkaConfig("k", "SASL_SSL", "PLAIN", oauth=OAUTH).uses_oauth
    assert KafkaConfig("k", "SASL_SSL", "PLAIN", "u", "p", oauth=OAUTH).librdkafka()["sasl.username"] == "u"


def test_without_a_file_of_its_own_the_key_is_in_the_certificates() -> None:
    one = KafkaConfig("k", "SSL", certificate_file="/both.pem", key_password="hush").librdkafka()
    two = KafkaConfig("k", "SSL", certificate_file="/cert.pem", key_file="/key.pem").librdkafka()
    assert (one["ssl.key.location"], one["ssl.key.password"]) == ("/both.pem", "hush")
    assert two["ssl.key.location"] == "/key.pem"
    assert "ssl.key.password" not in two


def test_librdkafka_is_told_nothing_that_was_not_given() -> None:
    assert KafkaConfig("k1:9092,k2:9092").librdkafka() == {
        "bootstrap.servers": "k1:9092,k2:9092",
        "security.protocol": "plaintext",
    }


def test_no_secret_is_shown_in_a_log_line_or_traceback() -> None:
    kafka = KafkaConfig("k", "SASL_SSL", sasl_password="hush-1", key_password="hush-2", oauth=OAUTH)
    assert not [secret for secret in ("hush-1", "hush-2", OAUTH.client_secret) if secret in f"{kafka!r} {kafka}"]


@pytest.mark.parametrize(
    ("changes", "uses_tls"),
    [({}, False), ({"tls": True}, True), ({"ca_file": "/ca"}, True), ({"cert_file": "/c", "key_file": "/k"}, True)],
)
def test_a_file_for_tls_means_tls(changes: dict[str, object], uses_tls: bool) -> None:
    assert InferenceConfig(**changes).uses_tls is uses_tls


def test_defaults_refuse_what_must_be_allowed_on_purpose() -> None:
    media = MediaConfig()
    assert (media.roots, media.store_urls, media.allow_private) == ((), (), False)


def test_the_longest_deadline_of_a_post_ends_before_a_session_does() -> None:
    """Else a rebalance could not wait for the posts in flight."""
    assert PipelineConfig().deadline_ms <= PipelineConfig().max_deadline_ms < AgentConfig().session_timeout_s * 1000


@given(st.integers(1, 64), st.integers(0, 200_000))
def test_a_memory_plan_never_shares_out_more_than_there_is(n_decoders: int, extra_mb: int) -> None:
    plan = MemoryPlan(MemoryPlan(n_decoders=n_decoders).least_mb + extra_mb, n_decoders)
    shared = plan.decoding.shared_bytes + plan.media_bytes + plan.message_bytes
    fixed = (plan._WORKER_MB + plan.cache_mb + n_decoders * plan._DECODER_MB) * 2**20
    assert fixed + shared <= plan.total_mb * 2**20
    assert min(plan.media_bytes, plan.message_bytes, plan.decoding.shared_bytes) > 0


@given(st.integers(2_000, 100_000), st.integers(1, 4))
def test_more_memory_gives_nobody_less(total_mb: int, n_decoders: int) -> None:
    less, more = MemoryPlan(total_mb, n_decoders), MemoryPlan(total_mb + 100, n_decoders)
    assert less.decoding.shared_bytes < more.decoding.shared_bytes
    assert less.media_bytes < more.media_bytes
    assert less.message_bytes < more.message_bytes


def test_the_default_plan_is_large_enough_for_itself() -> None:
    assert MemoryPlan().total_mb >= MemoryPlan().least_mb
    assert MemoryPlan().decoding.n_decoders == MemoryPlan().n_decoders
