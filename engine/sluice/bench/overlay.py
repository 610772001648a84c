"""Quix Streams, which cannot be installed beside what Sluice pins: in a folder that only that peer reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sluice.cache import cache_dir, make_once
from sluice.errors import StackError
from sluice.local.processes import python_path

PINS = ("quixstreams==3.28.0", "confluent-kafka==2.12.2", "pydantic==2.13.5")
"""It asks for confluent-kafka below 2.13 and pydantic below 2.14."""
INSTALL_S = 300.0


def quix_environment() -> dict[str, str]:
    """The environment in which a Python finds Quix Streams, fetched by pip the first time.

    Raises
    ------
    StackError
        pip failed; shows the end of what it said.
    """
    version = sys.version_info
    folder = make_once(cache_dir() / f"{PINS[0].replace('==', '-')}-py{version.major}.{version.minor}", _install)
    return {"PYTHONPATH": os.pathsep.join([str(folder), *python_path().values()])}


def _install(target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", target]
    try:
        subprocess.run([*map(str, command), *PINS], check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.CalledProcessError as error:
        raise StackError(f"pip cannot fetch {PINS[0]}: {error.stderr[-400:]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"pip cannot fetch {PINS[0]}: {type(error).__name__}") from error
