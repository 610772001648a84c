"""``sluice up``."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.console import emit, ending_like_ctrl_c, say, wants_json
from engine.cli.options import BrokerChoice, BrokerOption, JsonOption, StackKafkaOption, TritonOption

if TYPE_CHECKING:
    from engine.local.stack import Stack

CHECK_S = 0.5


def up(
    broker: BrokerOption = BrokerChoice.embedded,
    kafka: StackKafkaOption = None,
    triton: TritonOption = None,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the worker; 0 takes a free one.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Start a broker, Triton and a worker, print their addresses, and keep them running until Ctrl-C.

    Example: sluice up

    Example: sluice up --broker kafka --metrics-port 9400

    Example: sluice up --kafka localhost:9092 --triton localhost:8001
    """
    from engine.cli.stacks import open_stack

    with ExitStack() as cleanup:
        cleanup.enter_context(ending_like_ctrl_c())
        stack = cleanup.enter_context(open_stack(broker, kafka, triton, metrics_port))
        _announce(stack, as_json)
        while True:
            stack.check()
            time.sleep(CHECK_S)


def _announce(stack: Stack, as_json: bool) -> None:
    from engine.cli.stacks import describe_addresses

    addresses = describe_addresses(stack)
    if wants_json(as_json):
        emit(json.dumps(addresses).encode())
    for name, address in addresses.items():
        say(f"{name:12} {address}")
    at = f"--kafka {addresses['kafka']}"
    say(f"publish with   sluice publish {at} --text 'Good morning!'")
    say(f"read with      sluice verdicts {at} --follow")
    say("stop with      Ctrl-C")
