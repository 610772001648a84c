"""Where things live that are made once and used again: quantised models, Kafka's jars, Triton's backend folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_dir() -> Path:
    """``SLUICE_CACHE``, or ``sluice`` in the user's cache directory (XDG Base Directory Specification)."""
    if chosen := os.environ.get("SLUICE_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice"


def make_once(path: Path, make: Callable[[Path], None]) -> Path:
    """Return `path`, made by `make` if it is not there yet.

    `make` writes a file or a folder at a temporary name beside it, which is then renamed: two processes that start
    together both end with a whole one.

    Parameters
    ----------
    path : Path
        A name that changes with whatever the content depends on.
    make : callable
        Takes the name to write to; what it raises is passed on.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as scratch:
        new = Path(scratch) / path.name
        make(new)
        _put(new, path)
    return path


def _put(new: Path, path: Path) -> None:
    """Rename; a folder that another process put there first is as good as ours."""
    try:
        new.replace(path)
    except OSError:
        if not path.exists():
            raise
        shutil.rmtree(new, ignore_errors=True)
