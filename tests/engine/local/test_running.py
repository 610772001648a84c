"""Stacks that run are found, and those that ended or were killed are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sluice.local.processes import python_path
from sluice.local.running import Running, find_running, note_running

STACK = Running("127.0.0.1:9092", "127.0.0.1:8001", "http://127.0.0.1:9108/metrics", "/media", "http://127.0.0.1:8080")
OTHER = """
import sys
from pathlib import Path
from sluice.local.running import Running, note_running

with note_running(Path(sys.argv[1]), Running("other:9092", "t:8001", "m", "s")):
    print("noted", flush=True)
    sys.stdin.read()
"""


def test_a_stack_is_found_while_it_runs(tmp_path: Path) -> None:
    folder = tmp_path / "running"
    assert find_running(folder) is None
    with note_running(folder, STACK):
        assert find_running(folder) == STACK
        assert [path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())] == [0, 0]
    assert find_running(folder) is None
    assert list(folder.iterdir()) == []


def test_one_that_was_killed_is_not_found_and_its_note_goes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OTHER, str(tmp_path)]
    environment = {**os.environ, **python_path()}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"noted\n"
        assert find_running(tmp_path) == Running("other:9092", "t:8001", "m", "s")
        other.kill()
        other.wait()
        assert len(list(tmp_path.iterdir())) == 1
        assert find_running(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_of_several_the_one_that_was_started_last_is_found(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OTHER, str(tmp_path)]
    environment = {**os.environ, **python_path()}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with note_running(tmp_path, STACK):
            os.utime(tmp_path / f"{os.getpid()}.json", (2e9, 2e9))
            assert find_running(tmp_path) == STACK
        assert find_running(tmp_path) == Running("other:9092", "t:8001", "m", "s")
        other.kill()
