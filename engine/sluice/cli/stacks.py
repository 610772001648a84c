"""Servers for a command, started with a spinner that says what is waited for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.cli.console import make_console, say
from sluice.cli.options import BrokerChoice, resolve_connection

if TYPE_CHECKING:
    from sluice.local.stack import Stack, StackConfig

START_TIMEOUT_S = 240.0
"""For all servers together. The first start prepares the models for this machine; later ones take seconds."""


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What a command's options say about its stack; see `StackConfig`."""

    broker: BrokerChoice
    kafka: str | None
    triton: str | None
    metrics_port: int = 0
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
    with console.status(what):
        yield


@contextmanager
def open_triton(address: str | None) -> Iterator[str]:
    """``host:port`` of a Triton: the given one, or one that is started, kept running, and stopped again."""
    from sluice.local.supervision import Supervisor
    from sluice.local.triton import TritonServer
    from sluice.resources import triton_repository

    if address is not None:
        yield address
        return
    with open_state(None) as state_dir, TritonServer(triton_repository(), state_dir) as triton:
        with waiting_for("starting Triton"):
            triton.wait_until_ready(START_TIMEOUT_S)
        with Supervisor("Triton", triton):
            yield triton.address


@contextmanager
def open_stack(wanted: StackOptions) -> Iterator[Stack]:
    """A broker, a Triton and a worker on free ports of this machine, stopped again at the end."""
    from sluice.local.stack import Stack

    with open_state(wanted.state_dir) as state_dir:
        stack = Stack(_configure(wanted, state_dir))
        with ExitStack() as cleanup:
            with waiting_for("starting the broker, Triton and a worker"):
                cleanup.enter_context(stack)
            yield stack


def _configure(wanted: StackOptions, state_dir: Path) -> StackConfig:
    from sluice.local.stack import StackConfig
    from sluice.resources import triton_repository

    return StackConfig(
        state_dir,
        triton_repository(),
        broker=wanted.broker.value,
        kafka=resolve_connection(wanted.kafka).kafka if wanted.kafka else None,
        triton=wanted.triton,
        start_timeout_s=START_TIMEOUT_S,
        worker_environment=wanted.worker_environment,
        metrics_port=wanted.metrics_port,
    )


@contextmanager
def open_state(given: Path | None) -> Iterator[Path]:
    """The directory of the servers' logs and files: the given one, which stays, or one for this run."""
    if given is not None:
        given.mkdir(mode=0o700, parents=True, exist_ok=True)  # Kafka's data hold what people posted
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="sluice-", ignore_cleanup_errors=True) as state_dir:
        yield Path(state_dir)
