"""Where the stacks are that run on this machine, so that other commands find them without being told."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec


class Running(msgspec.Struct, frozen=True):
    """A stack that runs.

    Attributes
    ----------
    kafka : str
        ``host:port``, several separated by commas.
    triton : str
        ``host:port`` of gRPC.
    metrics : str
        URL of the worker's metrics.
    media_store : str
        Where publishers put media so that the worker finds them.
    http : str or None
        Base URL of scoring over HTTP, where it is served.
    """

    kafka: str
    triton: str
    metrics: str
    media_store: str
    http: str | None = None


@contextmanager
def note_running(folder: Path, running: Running) -> Iterator[None]:
    """Let `find_running` find this stack, for as long as this process is inside.

    The note is locked meanwhile. A process that is killed lets go of the lock, so its note counts no more.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{os.getpid()}.json"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as note:
        fcntl.flock(note, fcntl.LOCK_EX)
        note.write(msgspec.json.encode(running))
        note.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def find_running(folder: Path) -> Running | None:
    """The stack that was started last of those that still run; None if none does."""
    for path in sorted(folder.glob("*.json"), key=_started_at, reverse=True):
        with suppress(OSError, msgspec.DecodeError), path.open("rb") as note:
            if _is_locked(note.fileno()):
                return msgspec.json.decode(note.read(), type=Running)
            path.unlink(missing_ok=True)  # its process was killed
    return None


def _started_at(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _is_locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
