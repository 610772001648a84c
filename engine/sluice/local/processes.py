"""Child processes: started with a log, waited for, stopped, and never left behind."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from sluice.errors import StackError
from sluice.local import guard
from sluice.resources import package_root

LOOPBACK = "127.0.0.1"
POLL_S = 0.05
N_TAIL_LINES = 6
TAIL_BYTES = 32_768
TAIL_LINE_LENGTH = 240


class RunningInside(ABC):
    """What runs inside a ``with`` block: started on entering, stopped on leaving."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Start it, without waiting until it is ready."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it and wait until it has ended."""


class ChildProcess(RunningInside):
    """One child in a process group of its own, with a guard that ends the group should we die first.

    Parameters
    ----------
    name : str
        For messages: ``broker``, ``Triton``, ...
    command : sequence of str
    log : Path
        Takes the child's standard output and error, appended.
    address : str
        What it will listen on; for messages.
    environment : mapping of str to str or None
        Added to ours.
    folder : Path or None
        Its working directory; None for ours.
    grace_s : float
        Between SIGTERM and SIGKILL.
    shared_memory : str or None
        Prefix of the names of its shared memory, removed when it has stopped.
    niceness : int
        How far it lets other programs go first, where Linux shares processors among sessions (autogroup of sched(7));
        a process's own niceness counts within its session alone there.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        address: str,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        grace_s: float = 10.0,
        shared_memory: str | None = None,
        niceness: int = 0,
    ) -> None:
        self.name = name
        self.log = log
        self.address = address
        self._command = list(command)
        self._environment = dict(environment or {})
        self._folder = folder
        self._grace_s = grace_s
        self._shared_memory = shared_memory
        self._niceness = niceness
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the child; it need not be ready yet.

        Raises
        ------
        StackError
            The program cannot be run.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = self._launch(log)
        if self._niceness:
            make_way(self._process.pid, self._niceness)
        self._guard = start_guard(self._process.pid, self._grace_s, self._shared_memory)

    def _launch(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
                cwd=self._folder,
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop the children in order
            )
        except OSError as error:
            raise StackError(f"{self.name} cannot be started: {error}") from error

    def check(self) -> None:
        """Raise `StackError` if the child has ended by itself."""
        if self._process and (status := self._process.poll()) is not None:
            raise StackError(f"{self._describe()} ended with status {status}{self._tail()}")

    def wait_until_ready(self, is_ready: Callable[[], bool], timeout_s: float) -> None:
        """Ask `is_ready` until it says yes.

        Raises
        ------
        StackError
            The child ended, or `timeout_s` passed; names the address and the log, and shows the log's end.
        """
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise StackError(f"{self._describe()} was not ready within {timeout_s:g} s{self._tail()}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """SIGTERM, time to finish, SIGKILL; to the whole group. Does nothing if it is not running."""
        self._end(signal.SIGTERM)

    def terminate(self) -> None:
        """SIGTERM without waiting, so that several children can end together; `stop` still has to follow."""
        if self._process:
            guard.send(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait; as a crash would end it, but that what is left of it goes too."""
        self._end(signal.SIGKILL)

    def crash(self) -> None:
        """SIGKILL and wait until it has ended; `check` says so then, and `stop` still has to follow."""
        if process := self._process:
            guard.send(process.pid, signal.SIGKILL)
            process.wait()

    def suspend(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        if self._process:
            guard.send(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT, after `suspend`."""
        if self._process:
            guard.send(self._process.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        guard.send(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self._grace_s)
        guard.send(process.pid, signal.SIGKILL)
        process.wait()
        self._dismiss_guard()
        if self._shared_memory:
            guard.remove_shared_memory(self._shared_memory)
        self._process = None

    def _dismiss_guard(self) -> None:
        keeper, self._guard = self._guard, None
        if keeper:
            keeper.communicate(b"x")

    def _describe(self) -> str:
        return f"{self.name} at {self.address} (log: {self.log})"

    def _tail(self) -> str:
        """Return the last lines since the start, and errors before them; logs never hold content."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        errors = [line for line in lines[:-N_TAIL_LINES] if "error" in line.lower()]
        shown = errors[-N_TAIL_LINES:] + lines[-N_TAIL_LINES:]
        return "".join(f"\n  {line[:TAIL_LINE_LENGTH]}" for line in shown)


def start_guard(group: int, grace_s: float, shared_memory: str | None = None) -> subprocess.Popen[bytes]:
    """Start what ends a process group should we die first; a byte on its standard input dismisses it."""
    command = [sys.executable, "-I", "-S", guard.__file__, str(group), str(grace_s)]
    return subprocess.Popen(
        [*command, *([shared_memory] if shared_memory else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def make_way(pid: int, niceness: int) -> None:
    """Let other sessions go before the one of a process; does nothing where Linux does not group them."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


def find_free_ports(n_ports: int) -> list[int]:
    """Different TCP ports of the loopback interface that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n_ports)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def answers_http(url: str) -> bool:
    """Whether a GET of `url` answers 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes through a proxy
    try:
        with opener.open(url, timeout=1.0) as response:
            return bool(response.status == 200)
    except (http.client.HTTPException, OSError):  # URLError is an OSError
        return False


def accepts_tcp(port: int) -> bool:
    """Whether someone listens on a loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False


def python_path() -> dict[str, str]:
    """Return the environment in which another Python finds this package, installed or not."""
    places = [str(package_root()), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, places))}
