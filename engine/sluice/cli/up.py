"""``sluice up``."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import emit, ending_like_ctrl_c, say, wants_json
from sluice.cli.options import (
    BrokerChoice,
    BrokerOption,
    JsonOption,
    StackKafkaOption,
    TritonOption,
    resolve_connection,
)

if TYPE_CHECKING:
    from sluice.local.stack import Stack

CHECK_S = 0.5


def up(
    broker: BrokerOption = BrokerChoice.embedded,
    kafka: StackKafkaOption = None,
    triton: TritonOption = None,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the worker; 0 takes a free one.")] = 0,
    state_dir: Annotated[
        Path | None, typer.Option(help="Keep logs and Kafka's data here; by default they go with the stack.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a broker, Triton and a worker, print their addresses, and keep them running until Ctrl-C.

    Example: sluice up

    Example: sluice up --broker kafka --metrics-port 9400

    Example: sluice up --kafka localhost:9092 --triton localhost:8001
    """
    from sluice.cli.stacks import StackOptions, open_stack

    store = resolve_connection(kafka).media_store
    wanted = StackOptions(broker, kafka, triton, metrics_port, state_dir, {"SLUICE_MEDIA_STORE": store})
    with ExitStack() as cleanup:
        cleanup.enter_context(ending_like_ctrl_c())
        stack = cleanup.enter_context(open_stack(wanted))
        _announce(stack, store, as_json)
        while True:
            stack.check()
            time.sleep(CHECK_S)


def _announce(stack: Stack, store: str, as_json: bool) -> None:
    addresses = {
        "kafka": stack.addresses.kafka,
        "triton": stack.addresses.triton,
        "metrics": f"{stack.addresses.metrics}/metrics",
        "media_store": store,
        "logs": str(stack.config.state_dir),
    }
    if wants_json(as_json):
        emit(json.dumps(addresses).encode())
    for name, address in addresses.items():
        say(f"{name:12} {address}")
    say(f"publish      sluice publish --kafka {stack.addresses.kafka} --text 'Good morning!'")
    say(f"read         sluice verdicts --kafka {stack.addresses.kafka} --follow")
    say("stop         Ctrl-C")
