"""Servers for a command, started with a spinner that says what is waited for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.cli.console import make_console, say

TRITON_TIMEOUT_S = 240.0
"""The first start prepares the models for this machine; later ones take seconds."""


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
    """``host:port`` of a Triton: the given one, or one that is started and stopped again."""
    from engine.local.triton import TritonServer
    from engine.settings import TRITON_REPO

    if address is not None:
        yield address
        return
    with (
        tempfile.TemporaryDirectory(prefix="sluice-") as state_dir,
        TritonServer(TRITON_REPO, Path(state_dir)) as triton,
    ):
        with waiting_for("starting Triton"):
            triton.wait_until_ready(TRITON_TIMEOUT_S)
        yield triton.address


@contextmanager
def open_stack(broker: str, kafka: str | None, triton: str | None, metrics_port: int = 0) -> Iterator[Stack]:
    """A broker, a Triton and a worker on free ports of this machine, stopped again at the end."""
    from engine.local.stack import Stack, StackConfig

    with tempfile.TemporaryDirectory(prefix="sluice-") as state_dir:
        stack = Stack(StackConfig(broker, _given(kafka), triton, Path(state_dir), metrics_port=metrics_port))
        with ExitStack() as cleanup:
            with waiting_for("starting the broker, Triton and a worker"):
                cleanup.enter_context(stack)
            yield stack
