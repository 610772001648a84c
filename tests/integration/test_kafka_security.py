"""Kafka as people secure it: certificates, SCRAM and tokens, for the worker, the client and the commands."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography.hazmat.primitives import serialization

from sluice.client import Outcomes, Publisher
from sluice.config import KafkaConfig, OAuthConfig
from sluice.errors import KafkaUnavailable
from sluice.kafka import ensure_topics
from sluice.local.kafka import Listener, NativeKafka
from sluice.local.processes import python_path
from sluice.local.stack import Stack, StackConfig, kafka_environment
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Post
from tests.components import require_kafka, wait_for
from tests.oidc import AUDIENCE, ISSUER, Provider, running_provider

USER, PASSWORD = "sluice", 'made-up, with a "quote" and = signs'
KEY_PASSWORD = "made-up too"
CLIENT_SECRET = "made-up-as-well"
START_S = 120.0
_KAFKA = "org.apache.kafka.common.security"

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


@dataclass(frozen=True)
class Files:
    """Certificates made for this run."""

    ca: str
    client: str
    key: str
    server: Path
    stranger: str


def make_files(folder: Path) -> Files:
    ours, theirs = trustme.CA(), trustme.CA()
    client, stranger = ours.issue_cert(f"{USER}@example.org"), theirs.issue_cert(f"{USER}@example.org")
    server = ours.issue_cert("127.0.0.1")
    ours.cert_pem.write_to_path(str(folder / "ca.pem"))
    client.cert_chain_pems[0].write_to_path(str(folder / "client.pem"))
    (folder / "client.key").write_bytes(encrypt(client.private_key_pem.bytes()))
    stranger.private_key_and_cert_chain_pem.write_to_path(str(folder / "stranger.pem"))
    (folder / "server.pem").write_bytes(as_pkcs8(server.private_key_pem.bytes()) + server.cert_chain_pems[0].bytes())
    return Files(
        ca=str(folder / "ca.pem"),
        client=str(folder / "client.pem"),
        key=str(folder / "client.key"),
        server=folder / "server.pem",
        stranger=str(folder / "stranger.pem"),
    )


def encrypt(key: bytes) -> bytes:
    return _write_key(key, serialization.BestAvailableEncryption(KEY_PASSWORD.encode()))


def as_pkcs8(key: bytes) -> bytes:
    """As Java reads it."""
    return _write_key(key, serialization.NoEncryption())


def _write_key(key: bytes, encryption: serialization.KeySerializationEncryption) -> bytes:
    loaded = serialization.load_pem_private_key(key, None)
    return loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def make_listeners(files: Files, jwks_url: str) -> list[Listener]:
    def tls(name: str) -> dict[str, object]:
        prefix = f"listener.name.{name}.ssl."
        return {
            f"{prefix}keystore.type": "PEM",
            f"{prefix}keystore.location": files.server,
            f"{prefix}truststore.type": "PEM",
            f"{prefix}truststore.location": files.ca,
        }

    scram = {
        f"listener.name.scram.{mechanism.lower()}.sasl.jaas.config": f"{_KAFKA}.scram.ScramLoginModule required;"
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
    }
    oauth = {
        "oauthbearer.sasl.jaas.config": f"{_KAFKA}.oauthbearer.OAuthBearerLoginModule required;",
        "oauthbearer.sasl.server.callback.handler.class": f"{_KAFKA}.oauthbearer.OAuthBearerValidatorCallbackHandler",
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        "sasl.oauthbearer.jwks.endpoint.url": jwks_url,
        "sasl.oauthbearer.expected.audience": AUDIENCE,
        "sasl.oauthbearer.expected.issuer": ISSUER,
    }
    return [
        Listener("MTLS", "SSL", {**tls("mtls"), "listener.name.mtls.ssl.client.auth": "required"}),
        Listener(
            "SCRAM",
            "SASL_SSL",
            {**tls("scram"), **scram, "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512"},
        ),
        Listener(
            "OAUTH", "SASL_SSL", {**tls("oauth"), **{f"listener.name.oauth.{name}": v for name, v in oauth.items()}}
        ),
    ]


@dataclass(frozen=True)
class Cluster:
    """A secured cluster, and how each kind of client reaches it."""

    broker: NativeKafka
    files: Files
    provider: Provider

    def config(self, kind: str) -> KafkaConfig:
        tls = KafkaConfig(ca_file=self.files.ca)
        if kind == "mtls":
            return dataclasses.replace(
                tls,
                bootstrap=self.broker.bootstrap_at("MTLS"),
                security_protocol="SSL",
                certificate_file=self.files.client,
                key_file=self.files.key,
                key_password=KEY_PASSWORD,
            )
        sasl = dataclasses.replace(tls, security_protocol="SASL_SSL", sasl_mechanism=kind)
        if kind == "OAUTHBEARER":
            oauth = OAuthConfig(f"{self.provider.url}/token", USER, CLIENT_SECRET, scope="kafka")
            return dataclasses.replace(sasl, bootstrap=self.broker.bootstrap_at("OAUTH"), oauth=oauth)
        at = self.broker.bootstrap_at("SCRAM")
        return dataclasses.replace(sasl, bootstrap=at, sasl_username=USER, sasl_password=PASSWORD)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    require_kafka()
    folder = tmp_path_factory.mktemp("secured")
    files = make_files(folder)
    with running_provider(USER, CLIENT_SECRET) as provider:
        jwks_url = f"{provider.url}/jwks"
        allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={jwks_url}"
        with NativeKafka(folder, listeners=make_listeners(files, jwks_url), jvm_options=[allowed]) as broker:
            broker.wait_until_ready(START_S)
            make_scram_user(broker.kafka)
            yield Cluster(broker, files, provider)


def make_scram_user(kafka: KafkaConfig) -> None:
    admin = AdminClient(kafka.librdkafka())
    changes = [
        UserScramCredentialUpsertion(USER, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
    ]
    for change in changes:
        for done in admin.alter_user_scram_credentials([change]).values():
            done.result(30)


KINDS = ("mtls", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


@pytest.mark.parametrize("kind", KINDS)
def test_worker_client_and_commands_come_in(
    cluster: Cluster, triton_server: TritonServer, tmp_path: Path, kind: str
) -> None:
    kafka = cluster.config(kind)
    config = StackConfig(tmp_path, triton_repository(), kafka=kafka, triton=triton_server.address,
                         worker_environment={"SLUICE_GROUP": kind})  # fmt: skip
    with Stack(config) as stack, Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:
        publisher.publish(Post(id=kind, text="Good morning!"))
        publisher.flush()
        wait_for(lambda: [one for one in outcomes.poll(0.5) if one.key == kind.encode()], "a verdict")
        stack.check()
    shown = run_command(kafka, "verdicts", "--json")
    assert kind in [json.loads(line)["post_id"] for line in shown.stdout.splitlines()]
    log = (tmp_path / "worker.log").read_text() + shown.stderr
    assert not [secret for secret in (PASSWORD, KEY_PASSWORD, CLIENT_SECRET) if secret in log]


def run_command(kafka: KafkaConfig, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **python_path(), **kafka_environment(kafka)}
    command = [sys.executable, "-m", "sluice", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)


WRONG: dict[str, Callable[[Cluster], KafkaConfig]] = {
    "a certificate of a stranger": lambda cluster: dataclasses.replace(
        cluster.config("mtls"), certificate_file=cluster.files.stranger, key_file=None, key_password=None
    ),
    "no certificate": lambda cluster: dataclasses.replace(
        cluster.config("mtls"), certificate_file=None, key_file=None, key_password=None
    ),
    "a wrong password": lambda cluster: dataclasses.replace(cluster.config("SCRAM-SHA-512"), sasl_password="wrong"),
    "a wrong secret": lambda cluster: dataclasses.replace(
        cluster.config("OAUTHBEARER"), oauth=OAuthConfig(f"{cluster.provider.url}/token", USER, "wrong")
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_others_do_not(cluster: Cluster, wrong: str) -> None:
    with pytest.raises(KafkaUnavailable) as caught:
        ensure_topics(WRONG[wrong](cluster), timeout_s=4.0)
    assert "wrong" not in str(caught.value)
