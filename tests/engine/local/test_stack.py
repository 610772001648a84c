"""What the stack tells its worker, and what it calls its parts. The servers themselves: tests/integration."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sluice.config import KafkaConfig, OAuthConfig, Topics
from sluice.errors import StackError
from sluice.local.stack import Stack, StackConfig
from sluice.settings import load_settings

PEM = __file__  # a file that is there
EXISTING = KafkaConfig(
    "k1:9093,k2:9093",
    "SASL_SSL",
    "OAUTHBEARER",
    sasl_username="u",
    sasl_password="made-up",
    ca_file=PEM,
    topics=Topics("in"),
    oauth=OAuthConfig("https://idp:8443/token", "sluice", "made-up too", "kafka", PEM),
    certificate_file=PEM,
    key_file=PEM,
    key_password="made-up as well",
    embedded=True,
)


def make_stack(tmp_path: Path, **changes: object) -> Stack:
    config = {"state_dir": tmp_path, "triton_repo": tmp_path, "kafka": EXISTING, "triton": "t:8001", **changes}
    return Stack(StackConfig(**config))  # type: ignore[arg-type]


def test_the_worker_reads_back_what_the_stack_was_told(tmp_path: Path) -> None:
    stack = make_stack(tmp_path, metrics_port=9400, worker_environment={"SLUICE_GROUP": "g"})
    settings = load_settings(stack._worker_environment(30))
    assert settings.kafka == EXISTING
    assert settings.inference.triton == "t:8001"
    assert settings.media_store == str(tmp_path / "media")
    assert settings.metrics_port == 9400
    assert settings.agent.group == "g"
    assert settings.start_timeout_s == 30


def test_existing_servers_are_the_addresses_and_are_not_started(tmp_path: Path) -> None:
    with make_stack(tmp_path, metrics_port=9400, worker=False) as stack:
        assert stack.addresses.kafka == "k1:9093,k2:9093"
        assert stack.addresses.triton == "t:8001"
        assert stack.addresses.metrics == "http://127.0.0.1:9400"
        assert stack.worker_pid is None
        stack.check()
        stack.kill_worker()


def test_a_stack_that_cannot_start_leaves_nothing_running(tmp_path: Path) -> None:
    stack = make_stack(tmp_path, kafka=None, triton=None)
    with pytest.raises(StackError, match="no model repository"), stack:
        pass
    assert stack._broker is None


def test_a_port_for_metrics_that_is_taken_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = Stack(StackConfig(tmp_path, tmp_path, metrics_port=port))
        with pytest.raises(StackError, match=f"127.0.0.1:{port}: another program"), stack:
            pass
    assert list(tmp_path.iterdir()) == []
