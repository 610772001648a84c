"""The worker as a process: what it weighs, what it imports, how it starts and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from sluice.client import Outcomes, Publisher
from sluice.local.broker import EmbeddedBroker
from sluice.local.processes import ChildProcess, answers_http, find_free_ports, python_path
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Post
from tests.components import wait_for

pytestmark = pytest.mark.integration

MAX_AT_REST_BYTES = 500_000_000


@pytest.fixture
def stack(tmp_path: Path, triton_server: TritonServer) -> Iterator[Stack]:
    with Stack(StackConfig(tmp_path, triton_repository(), triton=triton_server.address)) as stack:
        yield stack


def score_one(stack: Stack, identifier: str = "p") -> None:
    with Outcomes(stack.kafka, start="end") as outcomes, Publisher(stack.kafka, store=None) as publisher:
        publisher.publish(Post(id=identifier, text="hello"))
        while not any(outcome.key == identifier.encode() for outcome in outcomes.poll(0.5)):
            stack.check()


def test_a_worker_at_rest_is_small_and_has_no_torch(stack: Stack) -> None:
    score_one(stack)
    worker = psutil.Process(stack.worker_pid)
    assert worker.memory_info().rss < MAX_AT_REST_BYTES
    mapped = {Path(region.path).name for region in worker.memory_maps()}
    assert not [name for name in mapped if name.startswith("libtorch")]


def test_nothing_the_worker_imports_brings_torch() -> None:
    code = "import sluice.app, sluice.cli, sys; sys.exit('torch' in sys.modules or 'onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, **python_path()}).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(stack: Stack, number: signal.Signals) -> None:
    score_one(stack)
    worker = psutil.Process(stack.worker_pid)
    worker.send_signal(number)
    gone, alive = psutil.wait_procs([worker], timeout=60)
    assert (len(gone), alive) == (1, [])
    assert "Traceback" not in (stack.config.state_dir / "worker.log").read_text()


def test_its_log_says_what_it_does_and_hangup_reads_the_policy_again(
    tmp_path: Path, triton_server: TritonServer
) -> None:
    policy = tmp_path / "mine.yaml"
    policy.write_text("name: mine\nversion: 1\nlabels: {}\n")
    settings = {"SLUICE_POLICY": str(policy), "SLUICE_LOG_FORMAT": "json", "SLUICE_TRITN": "t:1"}
    config = StackConfig(tmp_path, triton_repository(), triton=triton_server.address, worker_environment=settings)
    with Stack(config) as stack:
        worker = psutil.Process(stack.worker_pid)
        wait_for(lambda: "ready" in [line["message"] for line in read_log(tmp_path)], "it says that it is ready")
        for version in ("two", "2"):
            policy.write_text(f"name: mine\nversion: {version}\nlabels: {{}}\n")
            said = {"two": "the policy stays", "2": "policy mine version 2"}[version]
            worker.send_signal(signal.SIGHUP)
            wait_for(partial(says, tmp_path, said), "the policy is read again")
        score_one(stack)
    messages = [line["message"] for line in read_log(tmp_path)]
    expected = ("SLUICE_TRITN is no setting", "sluice ", "policy mine version 1", "connecting to Kafka",
                "partitions assigned", "ready", "the policy stays mine version 1", "policy mine version 2",
                "SIGTERM", "stopped; 1 posts were taken")  # fmt: skip
    places = [next((n for n, each in enumerate(messages) if each.startswith(one)), -1) for one in expected]
    assert -1 not in places, messages
    assert places == sorted(places), messages


def says(folder: Path, beginning: str) -> bool:
    return any(line["message"].startswith(beginning) for line in read_log(folder))


def read_log(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "worker.log").read_text().splitlines()]


def test_it_leaves_nothing_where_it_is_started(stack: Stack, tmp_path: Path) -> None:
    port, unwritable = find_free_ports(1)[0], Path("/proc")  # as a read-only container; not even root may write there
    worker = ChildProcess(
        "a worker",
        [sys.executable, "-m", "sluice.cli", "worker"],
        tmp_path / "elsewhere.log",
        str(port),
        environment={
            **python_path(),
            "SLUICE_KAFKA": stack.kafka.bootstrap,
            "SLUICE_TRITON": stack.triton,
            "SLUICE_GROUP": "elsewhere",
            "SLUICE_METRICS_PORT": str(port),
        },
        folder=unwritable,
    )
    with worker:
        worker.wait_until_ready(lambda: answers_http(f"http://127.0.0.1:{port}/readyz"), 60.0)


def run_worker(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sluice.cli", "worker"],
        env={**os.environ, **python_path(), "SLUICE_START_TIMEOUT_S": "2", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_without_kafka_it_says_so_and_ends() -> None:
    address = f"127.0.0.1:{find_free_ports(1)[0]}"
    ended = run_worker({"SLUICE_KAFKA": address})
    assert ended.returncode == 1
    assert address in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_without_triton_it_says_so_and_ends(embedded_broker: EmbeddedBroker) -> None:
    address = f"127.0.0.1:{find_free_ports(1)[0]}"
    ended = run_worker({"SLUICE_KAFKA": embedded_broker.kafka.bootstrap, "SLUICE_TRITON": address})
    assert ended.returncode == 1
    assert address in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_policy_is_named_with_its_line(embedded_broker: EmbeddedBroker, tmp_path: Path) -> None:
    policy = tmp_path / "mine.yaml"
    policy.write_text("name: mine\nversion: 1\nlabels:\n  thread: {review: 0.5}\n")
    ended = run_worker({"SLUICE_KAFKA": embedded_broker.kafka.bootstrap, "SLUICE_POLICY": str(policy)})
    assert ended.returncode == 1
    assert f"{policy}:4" in ended.stderr


def test_ready_turns_to_not_ready_while_triton_is_away(tmp_path: Path, triton_files: None) -> None:
    with TritonServer(triton_repository(), tmp_path) as triton:
        triton.wait_until_ready(60)
        with Stack(StackConfig(tmp_path, triton_repository(), triton=triton.address)) as stack:
            triton.kill()
            wait_for(lambda: not answers_http(f"{stack.addresses.metrics}/readyz"), "not ready")
            assert answers_http(f"{stack.addresses.metrics}/healthz")


def test_a_signal_while_it_waits_for_kafka_ends_it_at_once() -> None:
    address = f"127.0.0.1:{find_free_ports(1)[0]}"
    environment = {**os.environ, **python_path(), "SLUICE_KAFKA": address, "SLUICE_START_TIMEOUT_S": "600"}
    command = [sys.executable, "-m", "sluice.cli", "worker"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        assert any(f"connecting to Kafka at {address}" in line for line in worker.stderr)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
