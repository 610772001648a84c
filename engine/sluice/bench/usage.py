"""CPU and memory of processes by role, looked at while they work."""

from __future__ import annotations

import os
import re
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sluice.local.processes import RunningInside

INTERVAL_S = 0.25
PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_MODEL = re.compile(r"triton_repo/(\w+)/|/(text_encoder|image_encoder|audio_encoder|fusion|ocr_\w+|first_stage)/")

Roots = Mapping[str, Callable[[], Iterable[int | None]]]
"""By role: process ids, whose descendants belong to the role too."""


@dataclass(frozen=True)
class Sample:
    """One look: seconds of CPU since each process began, and resident bytes, by role.

    Attributes
    ----------
    at : float
        Seconds since the epoch.
    """

    at: float
    cpu_s: Mapping[str, float]
    n_bytes: Mapping[str, int]


class UsageWatch(RunningInside):
    """Looks four times a second at the processes of each role.

    Parameters
    ----------
    roots : mapping
        See `Roots`. Below a role ``triton`` every model counts for itself, by its name.
    """

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._samples: list[Sample] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bench-usage", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._samples.append(look(self._roots))
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join()
        self._samples.append(look(self._roots))

    def cpu_s(self, begin: float, end: float) -> dict[str, float]:
        """Seconds of CPU by role between two moments, to the nearest look."""
        first, last = self._nearest(begin), self._nearest(end)
        return {role: max(0.0, total - first.cpu_s.get(role, 0.0)) for role, total in last.cpu_s.items()}

    def peak_mb(self) -> dict[str, float]:
        """Most resident memory by role, in MB."""
        roles = dict.fromkeys(role for sample in self._samples for role in sample.n_bytes)
        return {role: max(s.n_bytes.get(role, 0) for s in self._samples) / 1e6 for role in roles}

    def memory(self, role: str) -> list[tuple[float, float]]:
        """Seconds since the epoch and MB of one role, look by look."""
        return [(sample.at, sample.n_bytes.get(role, 0) / 1e6) for sample in self._samples]

    def _nearest(self, at: float) -> Sample:
        samples = self._samples
        right = min(bisect_left(samples, at, key=lambda s: s.at), len(samples) - 1)
        left = max(0, right - 1)
        return min(samples[left], samples[right], key=lambda s: abs(s.at - at))

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            self._samples.append(look(self._roots))


def look(roots: Roots) -> Sample:
    """Add up what the processes have taken so far."""
    cpu_s: dict[str, float] = {}
    n_bytes: dict[str, int] = {}
    at = time.time()
    for role, find in roots.items():
        for pid in (pid for root in find() if root for pid in tree_of(root)):
            name = _model_of(pid) or role if role == "triton" else role
            taken_s, resident = read_usage(pid)
            cpu_s[name] = cpu_s.get(name, 0.0) + taken_s
            n_bytes[name] = n_bytes.get(name, 0) + resident
    return Sample(at, cpu_s, n_bytes)


def tree_of(pid: int) -> list[int]:
    """A process and its descendants; what has ended meanwhile is left out."""
    children = [child for file in (PROC / str(pid) / "task").glob("*/children") for child in _read(file).split()]
    return [pid, *(each for child in children for each in tree_of(int(child)))]


def read_usage(pid: int) -> tuple[float, int]:
    """Seconds of CPU since it began, and resident bytes (proc_pid_stat(5)); zeros once it is gone."""
    fields = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    if len(fields) < 22:
        return 0.0, 0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S, int(fields[21]) * _PAGE_BYTES


def _model_of(pid: int) -> str | None:
    """Whose model a process of Triton's Python backend runs."""
    found = _MODEL.search(_read(PROC / str(pid) / "cmdline").replace("\0", " "))
    return next(filter(None, found.groups()), None) if found else None


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
