"""What the stack tells its worker, and what it calls its parts. The servers themselves: tests/integration."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sluice.config import KafkaConfig, OAuthConfig, Topics
from sluice.errors import StackError
from sluice.local.broker import EmbeddedBroker
from sluice.local.kafka import NativeKafka
from sluice.local.ports import Ports
from sluice.local.processes import answers_http
from sluice.local.stack import Stack, StackConfig, kafka_environment
from sluice.settings import load_settings
from tests.components import wait_for

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
    stack = make_stack(tmp_path, ports=Ports(metrics=9400), worker_environment={"SLUICE_GROUP": "g"})
    settings = load_settings(stack._worker_environment(30))
    assert settings.kafka == EXISTING
    assert settings.inference.triton == "t:8001"
    assert settings.media_store == str(tmp_path / "media")
    assert settings.metrics_port == 9400
    assert settings.agent.group == "g"
    assert settings.start_timeout_s == 30


def test_existing_servers_are_the_addresses_and_are_not_started(tmp_path: Path) -> None:
    with make_stack(tmp_path, ports=Ports(metrics=9400), worker=False) as stack:
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
        stack = Stack(StackConfig(tmp_path, tmp_path, ports=Ports(metrics=port)))
        with pytest.raises(StackError, match=f"127.0.0.1:{port} .--metrics-port. is taken by another program"), stack:
            pass
    assert list(tmp_path.iterdir()) == []


STAND_IN = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

print("reads", os.environ["SLUICE_TOPIC_POSTS"], flush=True)
HTTPServer(("127.0.0.1", int(os.environ["SLUICE_METRICS_PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[Stack]:
    """A stack of existing servers whose worker only says that it is ready."""
    with make_stack(tmp_path, worker_command=(sys.executable, "-I", "-S", "-c", STAND_IN)) as stack:
        yield stack


def test_a_worker_is_there_once_the_stack_is_entered_and_gone_behind_it(stand_in: Stack, tmp_path: Path) -> None:
    assert answers_http(f"{stand_in.addresses.metrics}/readyz")
    assert "reads in" in (tmp_path / "worker.log").read_text()
    worker = psutil.Process(stand_in.worker_pid)
    stand_in.__exit__(None, None, None)
    assert stand_in.worker_pid is None
    assert not worker.is_running()


def test_a_killed_worker_comes_back_at_the_same_address(stand_in: Stack) -> None:
    first, address = stand_in.worker_pid, stand_in.addresses.metrics
    stand_in.kill_worker()
    assert stand_in.worker_pid is None
    stand_in.check()  # it was killed on purpose
    stand_in.start_worker(20)
    assert stand_in.worker_pid not in (None, first)
    assert stand_in.addresses.metrics == address


def test_a_worker_that_ends_by_itself_is_named_with_its_log(stand_in: Stack, tmp_path: Path) -> None:
    process = psutil.Process(stand_in.worker_pid)
    process.kill()
    psutil.wait_procs([process], timeout=20)
    with pytest.raises(StackError, match=f"the worker at .*{tmp_path / 'worker.log'}.* ended with status"):
        stand_in.check()


def test_a_worker_stands_still_and_goes_on(stand_in: Stack) -> None:
    process = psutil.Process(stand_in.worker_pid)
    stand_in.suspend_worker()
    wait_for(lambda: process.status() == psutil.STATUS_STOPPED, "the worker stands still")
    stand_in.resume_worker()
    wait_for(lambda: process.status() != psutil.STATUS_STOPPED, "the worker goes on")


def test_a_worker_that_was_stopped_can_be_started_again(stand_in: Stack) -> None:
    stand_in.stop_worker()
    assert not answers_http(f"{stand_in.addresses.metrics}/readyz")
    stand_in.start_worker(20)
    assert answers_http(f"{stand_in.addresses.metrics}/readyz")


@pytest.mark.parametrize("command", [("sh", "-c", "echo out of luck; exit 4"), ("/nowhere/worker",)])
def test_a_worker_that_cannot_run_fails_the_entering_and_leaves_nothing(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    stack = make_stack(tmp_path, worker_command=command)
    with pytest.raises(StackError, match="status 4|cannot be started"):
        stack.__enter__()
    assert stack.worker_pid is None


def test_without_a_worker_there_is_none_to_treat(tmp_path: Path) -> None:
    with make_stack(tmp_path, worker=False) as stack:
        for act in (stack.kill_worker, stack.stop_worker, stack.suspend_worker, stack.resume_worker, stack.stop):
            act()
        assert stack.worker_pid is None


def test_a_setting_of_the_callers_overrides_the_stacks(tmp_path: Path) -> None:
    stack = make_stack(tmp_path, worker_environment={"SLUICE_TRITON": "other:1", "SLUICE_DEADLINE_MS": "77"})
    environment = stack._worker_environment(5)
    assert (environment["SLUICE_TRITON"], environment["SLUICE_DEADLINE_MS"]) == ("other:1", "77")


def test_what_a_cluster_does_not_need_is_not_set() -> None:
    environment = kafka_environment(KafkaConfig("k:9092"))
    assert environment["SLUICE_KAFKA"] == "k:9092"
    assert not [name for name in environment if "PASSWORD" in name or "OAUTH" in name or "FILE" in name]
    assert "SLUICE_KAFKA_EMBEDDED" not in environment
    assert load_settings(environment).kafka == KafkaConfig("k:9092")


@pytest.mark.parametrize(("broker", "kind"), [("embedded", EmbeddedBroker), ("kafka", NativeKafka)])
def test_the_broker_is_the_one_that_was_asked_for(tmp_path: Path, broker: str, kind: type) -> None:
    assert isinstance(make_stack(tmp_path, kafka=None, broker=broker)._make_broker(), kind)


def test_all_parts_share_one_time_to_start(tmp_path: Path) -> None:
    stack = make_stack(tmp_path, start_timeout_s=0.0, worker=False)
    with stack:
        assert stack._remaining_s() == 0.1  # the last part is asked once, at least
