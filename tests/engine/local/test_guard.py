"""The guard's own steps; how it acts when an owner dies is in test_processes.py."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.local import guard

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
POLITE = "import time; print('up', flush=True); time.sleep(600)"


def start_group(code: str) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
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
