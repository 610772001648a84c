"""Peak resident memory of processes, by role."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from sluice.local.processes import RunningInside

INTERVAL_S = 0.5
PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Pids = Callable[[], Iterable[int | None]]


class MemoryWatch(RunningInside):
    """Looks twice a second at processes and their children, and keeps the largest sum of each role's processes."""

    def __init__(self) -> None:
        self._roles: dict[str, Pids] = {}
        self._peak_bytes: dict[str, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos-memory", daemon=True)

    def watch(self, role: str, pids: Pids) -> None:
        """Watch the processes that `pids` names; the largest of them counts for the role."""
        self._roles[role] = pids

    @property
    def peak_mb(self) -> dict[str, float]:
        """Largest resident memory of one process with its children, in MB, by role."""
        return {role: round(n_bytes / 1e6, 1) for role, n_bytes in self._peak_bytes.items()}

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            for role, pids in list(self._roles.items()):
                sizes = [resident_bytes(pid) for pid in pids() if pid]
                self._peak_bytes[role] = max([self._peak_bytes.get(role, 0), *sizes])


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants, in bytes; 0 once it is gone."""
    try:
        own = int((PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE_BYTES
        children = (PROC / str(pid) / "task" / str(pid) / "children").read_text().split()
    except (OSError, IndexError):
        return 0
    return own + sum(resident_bytes(int(child)) for child in children)
