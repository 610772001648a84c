"""Child processes for untrusted input: started by a command of their own, with as little of the worker as possible.

`multiprocessing` would fork a process that has threads, or import the program's main module, with Faust and gRPC.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sluice.resources import package_root

PIPE_BYTES = 256 * 1024
_KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH", "HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "1048576", "MALLOC_ARENA_MAX": "1"}
"""glibc gives large blocks back at once: what one file needed is not the next one's peak."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


async def start_child(module: str, *arguments: str, niceness: int = 10) -> asyncio.subprocess.Process:
    """Start ``python -m module`` with pipes for its input and output; what it says besides is dropped.

    The worker goes first from the beginning: half a second of imports is what a child costs most of the time.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        limit=PIPE_BYTES, env=_environment(),
    )  # fmt: skip
    with suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, child.pid, niceness)
    return child


async def write_in_pieces(sink: asyncio.StreamWriter, body: bytes) -> None:
    """Write much to a pipe: asyncio moves all that it could not write yet with every piece that it could."""
    for start in range(0, len(body), PIPE_BYTES):
        sink.write(memoryview(body)[start : start + PIPE_BYTES])
        await sink.drain()


def _environment() -> Mapping[str, str]:
    """The worker's, but for what may be secret: a child needs to find its own code and nothing else."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    package = str(package_root())
    return kept | _MALLOC | _ONE_THREAD | {"PYTHONPATH": os.pathsep.join([package, *filter(None, sys.path)])}


def confine(max_files: int) -> None:
    """In a child: no files written, no new rights, no core dumps, and an end with the worker's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the worker closes the pipe
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    set_soft(resource.RLIMIT_CORE, 0)
    set_soft(resource.RLIMIT_FSIZE, 0)
    set_soft(resource.RLIMIT_NOFILE, max_files)


def read_data_bytes(status: Path = Path("/proc/self/status")) -> int:
    """What counts towards ``RLIMIT_DATA`` of this process by now; 0 where the system does not say."""
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return 0
    found = (int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
    return next(found, 0)


def trim_heap() -> None:
    """Give back what was freed but lies between blocks in use; where libc is not glibc, nothing happens."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def set_soft(which: int, soft: int) -> None:
    """Set a resource's soft limit, as far as the hard one lets it."""
    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
