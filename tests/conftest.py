"""Real servers, each started once for all tests of a run that ask for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sluice.config import KafkaConfig
from sluice.errors import StackError
from sluice.local.broker import EmbeddedBroker
from sluice.local.kafka import NativeKafka, password_listener
from sluice.local.triton import TritonServer, find_files
from sluice.resources import triton_repository
from tests.components import give_up, require, require_kafka

START_TIMEOUT_S = 120.0


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """How a command sets up its log in our own process, ten lines a minute, does not stay for the tests behind it."""
    yield
    for handler in logging.getLogger().handlers:
        handler.filters.clear()
    for name in ("sluice", "aiokafka"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def prometheus_binary() -> str:
    return require("prometheus")


@pytest.fixture(scope="session")
def promtool() -> str:
    return require("promtool")


@pytest.fixture(scope="session")
def alertmanager_binary() -> str:
    return require("prometheus-alertmanager")  # as Debian calls it


@pytest.fixture(scope="session")
def amtool() -> str:
    return require("amtool")


@pytest.fixture(scope="session")
def triton_files() -> None:
    """The wheel for this platform, or no test."""
    try:
        find_files()
    except StackError as error:
        give_up(str(error))


@pytest.fixture(scope="session")
def triton_server(triton_files: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A Triton with our models, on the CPU."""
    with TritonServer(triton_repository(), tmp_path_factory.mktemp("triton")) as server:
        server.wait_until_ready(START_TIMEOUT_S)
        yield server


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """The mock cluster with the default topics, which all tests share: read from the end, or by key."""
    with EmbeddedBroker(tmp_path_factory.mktemp("broker")) as broker:
        broker.wait_until_ready(START_TIMEOUT_S)
        yield broker


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeKafka]:
    """One node of Apache Kafka with the default topics, which all tests share; it also takes a password."""
    require_kafka()
    with NativeKafka(tmp_path_factory.mktemp("kafka"), listeners=[password_listener("sluice", "made-up")]) as broker:
        broker.wait_until_ready(START_TIMEOUT_S)
        yield broker


@pytest.fixture(scope="session")
def password_kafka(kafka_broker: NativeKafka) -> KafkaConfig:
    """The listener of `kafka_broker` that asks for a password."""
    return KafkaConfig(
        kafka_broker.bootstrap_at("SASL"), "SASL_PLAINTEXT", sasl_username="sluice", sasl_password="made-up"
    )


@pytest.fixture
def make_kafka(tmp_path: Path) -> Callable[[int], NativeKafka]:
    """A cluster of the test's own, with as many nodes as asked; not started."""
    require_kafka()
    return lambda n_brokers: NativeKafka(tmp_path, n_brokers)
