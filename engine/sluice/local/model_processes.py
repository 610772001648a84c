"""Whether the models' processes of a Triton live: one that died stays dead, and Triton still calls its model ready."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sluice.errors import StackError

N_LOOKS = 5
"""So often in a row one must be missing: while a model is reloaded, its process is missing for a moment."""

PROC = Path("/proc")
_NAME = "triton_python_b"
"""The first 15 letters of the stub's name: the kernel keeps no more."""


class ModelProcesses:
    """Notices that a server has lost one of its models' processes.

    Parameters
    ----------
    count : callable
        How many live now; called once a look.
    """

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self.forget()

    def forget(self) -> None:
        """The server is started anew."""
        self._most = self._n_missed = 0

    def check(self) -> None:
        """Look; raises `StackError` if one has been missing for `N_LOOKS` looks."""
        n_alive = self._count()
        self._most = max(self._most, n_alive)
        self._n_missed = self._n_missed + 1 if n_alive < self._most else 0
        if self._n_missed >= N_LOOKS:
            raise StackError(f"Triton has lost {self._most - n_alive} of its {self._most} models' processes")


def count_model_processes(server: int | None) -> int:
    """Live processes of the Python backend below a server; 0 where there is no ``/proc``."""
    children = (PROC / str(server) / "task").glob("*/children")
    return sum(_is_model(child) for file in children for child in _read(file).split())


def _is_model(pid: str) -> bool:
    """Whether a process is a model's, and no zombie."""
    _, _, rest = _read(PROC / pid / "stat").partition(f"({_NAME})")
    return bool(rest) and rest.split()[0] not in {"Z", "X"}


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
