"""A model's process that has died is missed, and a moment's absence is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.errors import StackError
from sluice.local.model_processes import N_LOOKS, ModelProcesses, count_model_processes
from tests.components import wait_for


class Models:
    """A server whose models' processes come and go."""

    def __init__(self) -> None:
        self.n_alive = 0
        self.processes = ModelProcesses(lambda: self.n_alive)

    def look(self, n_alive: int, n_looks: int = 1) -> None:
        self.n_alive = n_alive
        for _ in range(n_looks):
            self.processes.check()


def test_one_that_is_missing_for_long_is_missed() -> None:
    models = Models()
    for n_alive in (0, 2, 4):
        models.look(n_alive)
    models.look(3, N_LOOKS - 1)
    with pytest.raises(StackError, match="lost 1 of its 4"):
        models.look(3)


def test_one_that_comes_back_was_only_reloaded() -> None:
    models = Models()
    models.look(4)
    for _ in range(3):
        models.look(3, N_LOOKS - 1)
        models.look(4)


def test_a_server_that_starts_anew_has_none_yet() -> None:
    models = Models()
    models.look(4)
    models.processes.forget()
    models.look(0, 3 * N_LOOKS)


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """A program by the name of the Python backend's."""
    return Path(shutil.copy2("/bin/sleep", tmp_path / "triton_python_backend_stub"))


SERVER = (
    "import subprocess, sys; children = [subprocess.Popen([sys.argv[1], '600']) for _ in range(2)]; sys.stdin.read()"
)


@pytest.fixture
def server(stub: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with two of them, and another one that is no model's."""
    with subprocess.Popen([sys.executable, "-c", SERVER, str(stub)], stdin=subprocess.PIPE) as process:
        yield process
        for pid in children_of(process.pid):
            subprocess.run(["kill", "-9", pid], check=False)
        process.kill()


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_live_ones_are_counted_and_zombies_are_not(server: subprocess.Popen[bytes]) -> None:
    wait_for(lambda: count_model_processes(server.pid) == 2, "both")
    subprocess.run(["kill", "-9", children_of(server.pid)[0]], check=True)
    wait_for(lambda: count_model_processes(server.pid) == 1, "the zombie")
    assert count_model_processes(None) == 0
