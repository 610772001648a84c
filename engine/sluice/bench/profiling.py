"""Where a worker's time goes, by py-spy: a flame graph while the load is on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.errors import StackError

SAMPLES_PER_S = 200
GRACE_S = 20.0


@contextmanager
def recording(pid: int | None, file: Path, seconds: float) -> Iterator[None]:
    """Sample a process and its children for so long, into an SVG.

    Raises
    ------
    StackError
        py-spy is missing, or may not look: it needs root, or ``kernel.yama.ptrace_scope`` of 0.
    """
    found = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if found is None:
        raise StackError("--profile needs py-spy: install the extra [bench]")
    options = ["--subprocesses", "--nonblocking", f"--rate={SAMPLES_PER_S}", f"--duration={max(1, round(seconds))}"]
    command = [found, "record", *options, f"--output={file}", f"--pid={pid}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield
        _, said = process.communicate(timeout=GRACE_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if not file.exists():
        raise StackError(f"py-spy made no profile: {said.strip()[-300:]}")
