"""The whole embedded stack with its worker: ready, watched, and gone without a trace, however it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sluice.config import KafkaConfig
from sluice.errors import StackError
from sluice.kafka import recognise
from sluice.local import guard
from sluice.local.processes import answers_http
from sluice.local.stack import Stack, StackConfig
from sluice.resources import triton_repository

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("triton_files")]

PATIENCE_S = 60.0
QUICK_REJOIN = {"SLUICE_SESSION_TIMEOUT_S": "6", "SLUICE_MAX_DEADLINE_MS": "5000"}
"""A killed worker's partitions are free again after its session; the default would make the test wait half a minute."""


def test_it_is_ready_watched_and_leaves_nothing(tmp_path: Path) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    config = StackConfig(tmp_path, triton_repository(), worker_environment=QUICK_REJOIN)
    with Stack(config) as stack:
        assert answers_http(f"{stack.addresses.metrics}/readyz")
        assert stack.kafka.embedded
        assert recognise(KafkaConfig(stack.kafka.bootstrap)).embedded
        stack.check()
        first = stack.worker_pid
        stack.kill_worker()
        stack.start_worker(PATIENCE_S)
        assert stack.worker_pid not in (None, first)
        _kill_and_wait(stack.worker_pid)
        with pytest.raises(StackError, match="worker"):
            stack.check()
    assert {process.pid for process in psutil.Process().children(recursive=True)} == before
    assert stack._triton is not None
    assert list(guard.SHARED_MEMORY.glob(f"{stack._triton._process._shared_memory}*")) == []


def _kill_and_wait(pid: int | None) -> None:
    assert pid is not None
    process = psutil.Process(pid)
    process.kill()
    psutil.wait_procs([process], timeout=PATIENCE_S)


def test_a_worker_that_cannot_start_is_told_with_its_log(tmp_path: Path) -> None:
    wrong = {"SLUICE_MAX_IN_FLIGHT": "many"}
    with (
        pytest.raises(StackError, match="SLUICE_MAX_IN_FLIGHT") as caught,
        Stack(StackConfig(tmp_path, triton_repository(), worker_environment=wrong)),
    ):
        pass
    assert str(tmp_path / "worker.log") in str(caught.value)


OWNER = """
import json, sys, time
from pathlib import Path
import psutil
from sluice.local.stack import Stack, StackConfig
from sluice.resources import triton_repository
config = StackConfig(Path(sys.argv[1]), triton_repository(), worker_environment=json.loads(sys.argv[2]))
with Stack(config) as stack:
    print(json.dumps([process.pid for process in psutil.Process().children(recursive=True)]), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_is_left_when_its_owner_ends(tmp_path: Path, number: signal.Signals) -> None:
    """Broker, Triton and its models, worker, guards: all of them end, and no shared memory stays."""
    command = [sys.executable, "-c", OWNER, str(tmp_path), json.dumps(QUICK_REJOIN)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as owner:
        assert owner.stdout is not None
        family = [psutil.Process(pid) for pid in json.loads(owner.stdout.readline())]
        owner.send_signal(number)
    assert len(family) >= 3 + 3 + 5  # the servers, their guards, the models' processes
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert list(guard.SHARED_MEMORY.glob(f"sluice-{owner.pid}-*")) == []
