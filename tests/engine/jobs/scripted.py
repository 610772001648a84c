"""A command that does what it is told, in a process, in place of ours.

Its words are done in their order. ``say:TEXT`` goes to standard error and ``print:TEXT`` to standard output;
``write:TEXT`` goes to the file of ``--out``; ``wait`` waits for SIGINT, and ``deaf`` hears none;
``environment:NAME`` says a variable and the niceness; ``raise:TEXT``, ``exit:N``; ``pass`` is for nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import tenacity

from sluice.jobs.order import RESULT, KindName, Order
from sluice.jobs.running import Launcher

SCRIPT = """\
import os, signal, sys

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGUSR1})
words = [word for word in sys.argv[1:] if not word.startswith("--")]
options = dict(word.partition("=")[::2] for word in sys.argv[1:] if word.startswith("--"))
for word in words:
    verb, _, text = word.partition(":")
    if verb == "say":
        print(text, file=sys.stderr, flush=True)
    elif verb == "print":
        print(text, flush=True)
    elif verb == "write":
        with open(options["--out"], "w") as out:
            out.write(text)
    elif verb == "environment":
        print(os.environ.get(text, ""), os.getpriority(os.PRIO_PROCESS, 0), file=sys.stderr, flush=True)
    elif verb == "wait":
        signal.sigwait({signal.SIGINT})
        print("cleaned up", file=sys.stderr, flush=True)
        if not text:
            sys.exit(130)
        print(text, flush=True)
    elif verb == "deaf":
        signal.sigwait({signal.SIGUSR1})
    elif verb == "raise":
        raise ValueError(text)
    elif verb == "exit":
        sys.exit(int(text))
"""


def make_launcher(folder: Path, *, max_file_bytes: int = 2**20, stop_s: float = 20.0) -> Launcher:
    """Starts the script."""
    script = folder / "scripted.py"
    script.write_text(SCRIPT)
    command = (sys.executable, "-I", "-S", str(script))
    return Launcher(command, {"SECRET": "hush", "PYTHONUTF8": "1"}, max_file_bytes, stop_s)


def make_order(*words: str, kind: KindName = "drift", page: str = "", prints: str = RESULT, more_s: float = 0) -> Order:
    """An order for the script."""
    paths = {"--out": page} if page else {}
    return Order(kind, words, (), paths, page=page, prints=prints, more_s=more_s)


async def until(is_so: Callable[[], object], patience_s: float = 20.0) -> None:
    """Look again until something is so: it happens in another process."""
    attempts = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_result(lambda found: not found),
        wait=tenacity.wait_fixed(0.01),
        stop=tenacity.stop_after_delay(patience_s),
        sleep=asyncio.sleep,
    )

    async def look() -> object:
        return is_so()

    await attempts(look)
