"""Servers for a command, started with a spinner that says what is waited for."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tenacity

from sluice.cli.console import make_console, make_spinner, say
from sluice.cli.options import BrokerChoice
from sluice.errors import InferenceUnavailable, SettingsError, StackError
from sluice.local.ports import Ports, choose, recall_ports, remember_ports

if TYPE_CHECKING:
    from sluice.local.stack import Stack, StackConfig

CONNECT_S = 3.0
"""For one try to connect."""

START_TIMEOUT_S = 240.0
"""For all servers together. The first start prepares the models for this machine; later ones take seconds."""


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What a command's options say about its stack; see `StackConfig`."""

    broker: BrokerChoice
    kafka: str | None
    triton: str | None
    ports: Ports = field(default_factory=Ports)
    http: bool = False
    state_dir: Path | None = None
    worker_environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """A spinner, or one line where there is no terminal."""
    console = make_console()
    if not console.is_terminal:
        say(what)
        yield
        return
    with make_spinner(console, what):
        yield


@contextmanager
def open_triton(address: str | None) -> Iterator[str]:
    """``host:port`` of a Triton: the given one, or one that is started, kept running, and stopped again."""
    from sluice.local.supervision import Supervisor
    from sluice.local.triton import TritonServer
    from sluice.resources import triton_repository

    if address is not None:
        require_triton(address)
        yield address
        return
    with open_state(None) as state_dir, TritonServer(triton_repository(), state_dir) as triton:
        with waiting_for("starting Triton"):
            triton.wait_until_ready(START_TIMEOUT_S)
        with Supervisor("Triton", triton):
            yield triton.address


def require_triton(address: str, patience_s: float = 7.0) -> None:
    """Raise `InferenceUnavailable` if nobody listens at an address that was given; its models may still load.

    One that is no address raises `SettingsError`.
    """
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise SettingsError(f"--triton {address}: not HOST:PORT")
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(OSError),
        wait=tenacity.wait_fixed(0.2),
        stop=tenacity.stop_after_delay(patience_s),
        reraise=True,
    )
    try:
        attempts(socket.create_connection, (host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except OSError as error:
        raise InferenceUnavailable(f"Triton at {address} does not answer: {error.strerror or error}") from error


@contextmanager
def open_stack(wanted: StackOptions) -> Iterator[Stack]:
    """A broker, a Triton and a worker on free ports of this machine, stopped again at the end."""
    from sluice.local.stack import Stack

    with open_state(wanted.state_dir) as state_dir:
        config = _configure(wanted, state_dir)
        if config.triton is not None:
            require_triton(config.triton)
        stack = Stack(config)
        with ExitStack() as cleanup:
            with waiting_for("starting the broker, Triton and a worker"):
                cleanup.enter_context(stack)
            remember_ports(state_dir, stack.ports)
            yield stack


def _configure(wanted: StackOptions, state_dir: Path) -> StackConfig:
    from sluice.connection import find_connection
    from sluice.local.stack import StackConfig
    from sluice.resources import triton_repository

    return StackConfig(
        state_dir,
        triton_repository(),
        broker=wanted.broker.value,
        kafka=find_connection(wanted.kafka).recognised().kafka if wanted.kafka else None,
        triton=wanted.triton,
        start_timeout_s=START_TIMEOUT_S,
        worker_environment=wanted.worker_environment,
        ports=choose(wanted.ports, recall_ports(state_dir)),
        http=wanted.http,
    )


@contextmanager
def open_state(given: Path | None) -> Iterator[Path]:
    """The directory of the servers' logs and files: the given one, which stays, or one for this run."""
    if given is not None:
        given.mkdir(mode=0o700, parents=True, exist_ok=True)  # Kafka's data hold what people posted
        yield given
        return
    state_dir = Path(tempfile.mkdtemp(prefix="sluice-"))
    try:
        yield state_dir
    except StackError:
        _remove_all_but_logs(state_dir)  # the error names them
        raise
    except BaseException:
        shutil.rmtree(state_dir, ignore_errors=True)
        raise
    shutil.rmtree(state_dir, ignore_errors=True)


def _remove_all_but_logs(folder: Path) -> None:
    """Logs hold no content; what brokers and media stores keep is what people posted."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.is_file() and path.suffix != ".log":
            path.unlink(missing_ok=True)
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
