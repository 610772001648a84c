"""Resident memory of real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from sluice.chaos.memory import MemoryWatch, resident_bytes

HOLDS_60_MB = "import sys; block = bytearray(60_000_000); print('holding', flush=True); sys.stdin.read()"


def test_a_process_that_is_gone_has_none() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert resident_bytes(done.pid) == 0


def test_children_count() -> None:
    before = resident_bytes(os.getpid())
    with subprocess.Popen([sys.executable, "-c", HOLDS_60_MB], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert resident_bytes(os.getpid()) > before + 50_000_000
        child.communicate()


def test_the_largest_process_of_a_role_is_kept() -> None:
    looked = threading.Event()

    def pids() -> list[int | None]:
        looked.set()
        return [os.getpid(), None]

    watch = MemoryWatch()
    watch.watch("us", pids)
    with watch:
        looked.wait()
    assert watch.peak_mb["us"] > 10
