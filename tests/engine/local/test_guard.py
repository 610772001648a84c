"""The guard's own steps; how it acts when an owner dies is in test_processes.py."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sluice.local import guard
from tests.components import wait_for

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
POLITE = "import time; print('up', flush=True); time.sleep(600)"


def start_group(code: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-I", "-S", "-c", code]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert child.stdout is not None
    child.stdout.readline()
    return child


@pytest.mark.parametrize(("code", "end"), [(POLITE, signal.SIGTERM), (STUBBORN, signal.SIGKILL)])
def test_a_group_is_asked_before_it_is_killed(code: str, end: signal.Signals) -> None:
    with start_group(code) as child:
        guard.end_group(child.pid, 0.3)
        assert child.wait(20) == -end
    guard.end_group(child.pid, 0.3)  # nobody left: nothing to do
    assert not guard.send(child.pid, 0)


def test_only_segments_of_the_prefix_are_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ours-1", "ours-2", "theirs-1"):
        (tmp_path / name).touch()
    monkeypatch.setattr(guard, "SHARED_MEMORY", tmp_path)
    guard.remove_shared_memory("ours-")
    assert [path.name for path in tmp_path.iterdir()] == ["theirs-1"]


@contextmanager
def guarded(code: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], subprocess.Popen[bytes]]]:
    """A group and its guard, run as the script that it is."""
    with start_group(code) as group:
        command = [sys.executable, "-I", "-S", guard.__file__, str(group.pid), "0.3", *arguments]
        try:
            with subprocess.Popen(command, stdin=subprocess.PIPE) as keeper:
                yield group, keeper
        finally:
            guard.send(group.pid, signal.SIGKILL)


def close(keeper: subprocess.Popen[bytes]) -> None:
    """What happens to the pipe when the owner dies."""
    assert keeper.stdin is not None
    keeper.stdin.close()
    assert keeper.wait(20) == 0


@pytest.mark.parametrize(("code", "end"), [(POLITE, signal.SIGTERM), (STUBBORN, signal.SIGKILL)])
def test_a_group_ends_with_its_owner(code: str, end: signal.Signals) -> None:
    with guarded(code) as (group, keeper):
        close(keeper)
        assert group.wait(20) == -end


def test_a_group_that_its_owner_has_stopped_is_left_alone() -> None:
    with guarded(POLITE) as (group, keeper):
        assert keeper.communicate(b"x", timeout=20) == (None, None)
        assert keeper.returncode == 0
        assert group.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_its_owner_does_not_end_the_guard_first(number: signal.Signals) -> None:
    with guarded(POLITE) as (group, keeper):
        ignored = Path(f"/proc/{keeper.pid}/status")
        wait_for(lambda: _ignores(ignored, number), "the guard is ready")
        keeper.send_signal(number)
        close(keeper)
        assert group.wait(20) == -signal.SIGTERM


def _ignores(status: Path, number: signal.Signals) -> bool:
    (mask,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigIgn"))
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.skipif(not guard.SHARED_MEMORY.is_dir(), reason="/dev/shm exists on Linux only")
@pytest.mark.parametrize("owner_dies", [True, False])
def test_shared_memory_goes_when_nobody_else_removes_it(owner_dies: bool) -> None:
    prefix = f"sluice-guard-test-{uuid.uuid4()}-"
    segment = guard.SHARED_MEMORY / f"{prefix}1"
    segment.touch()
    try:
        with guarded(POLITE, prefix) as (_, keeper):
            if owner_dies:
                close(keeper)
            else:
                keeper.communicate(b"x", timeout=20)
        assert segment.exists() is not owner_dies
    finally:
        segment.unlink(missing_ok=True)


def test_a_group_that_is_gone_takes_no_signal() -> None:
    with start_group("pass") as child:
        child.wait(20)
    assert not guard.send(child.pid, signal.SIGTERM)
    guard.end_group(child.pid, 30.0)  # returns at once
