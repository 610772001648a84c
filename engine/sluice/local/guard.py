"""Ends a process group when the process that started it is gone, however that ended.

Run as a script, with nothing but the standard library: ``python -I -S guard.py PGID GRACE_S [SHM_PREFIX]``. Standard
input is a pipe from the owner. If it closes without a byte, the owner died: the group gets SIGTERM, then SIGKILL, and
shared memory of that prefix is removed. A byte means that the owner has stopped the group itself.

Why not ``PR_SET_PDEATHSIG``: it fires when the *thread* that started the child ends, reaches only the child and not the
processes it started, and exists on Linux alone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

POLL_S = 0.05
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (where Linux keeps it)


def main() -> None:
    """Wait for the owner; see the module."""
    group, grace_s = int(sys.argv[1]), float(sys.argv[2])
    for interrupt in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(interrupt, signal.SIG_IGN)
    if not os.read(0, 1):
        end_group(group, grace_s)
        if len(sys.argv) > 3:
            remove_shared_memory(sys.argv[3])


def end_group(group: int, grace_s: float) -> None:
    """SIGTERM to a process group, and SIGKILL to what is left of it after `grace_s`."""
    if not send(group, signal.SIGTERM):
        return
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline:
        if not send(group, 0):
            return
        time.sleep(POLL_S)
    send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Send a signal to a process group; False if the group is gone."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def remove_shared_memory(prefix: str) -> None:
    """Remove the segments whose names begin with `prefix`."""
    for segment in SHARED_MEMORY.glob(f"{prefix}*"):
        segment.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
