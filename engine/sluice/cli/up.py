"""``sluice up``."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from sluice.cli.console import emit, ending_like_ctrl_c, say, wants_json
from sluice.cli.options import (
    BrokerChoice,
    BrokerOption,
    JsonOption,
    StackKafkaOption,
    TritonOption,
)

if TYPE_CHECKING:
    from sluice.local.running import Running

CHECK_S = 0.5
FREE = "0 takes the one remembered in --state-dir, or a free one."


def up(
    broker: BrokerOption = BrokerChoice.embedded,
    kafka: StackKafkaOption = None,
    triton: TritonOption = None,
    kafka_port: Annotated[int, typer.Option(min=0, max=65535, help=f"Of the broker; {FREE}")] = 0,
    triton_port: Annotated[int, typer.Option(min=0, max=65535, help=f"Of Triton's gRPC; {FREE}")] = 0,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help=f"Of the worker's metrics; {FREE}")] = 0,
    http: Annotated[bool, typer.Option("--http", help="Score posts over HTTP too; needs the extra [http].")] = False,
    http_port: Annotated[int, typer.Option(min=0, max=65535, help=f"Of scoring over HTTP; {FREE}")] = 0,
    policy: Annotated[Path | None, typer.Option(help="Decide by this policy file.")] = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="Keep logs, Kafka's data and the ports here; by default they go with the stack.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a broker, Triton and a worker, print their addresses, and keep them running until Ctrl-C.

    Meanwhile `sluice publish`, `verdicts` and `dead-letters` find this stack by themselves.

    Example: sluice up

    Example: sluice up --broker kafka --kafka-port 9092 --state-dir ~/sluice --policy mine.yaml --http

    Example: sluice up --kafka localhost:9092 --triton localhost:8001
    """
    from sluice.cli.stacks import StackOptions, open_stack
    from sluice.connection import notes_folder
    from sluice.local.ports import Ports
    from sluice.local.running import Running, note_running

    _refuse_ports_of_others({"kafka": (kafka, kafka_port), "triton": (triton, triton_port)})
    environment = _check_settings(policy)
    ports = Ports(kafka_port, triton_port, metrics_port, http_port)
    wanted = StackOptions(broker, kafka, triton, ports, http or http_port > 0, state_dir, environment)
    with ExitStack() as cleanup:
        cleanup.enter_context(ending_like_ctrl_c())
        stack = cleanup.enter_context(open_stack(wanted))
        at = stack.addresses
        running = Running(at.kafka, at.triton, f"{at.metrics}/metrics", environment["SLUICE_MEDIA_STORE"], at.http)
        cleanup.enter_context(note_running(notes_folder(), running))
        _announce(running, stack.config.state_dir, as_json)
        while True:
            stack.check()
            time.sleep(CHECK_S)


def _refuse_ports_of_others(servers: dict[str, tuple[str | None, int]]) -> None:
    for name, (address, port) in servers.items():
        if address and port:
            raise typer.BadParameter(f"--{name} names one that runs already, so --{name}-port has nothing to say")


def _check_settings(policy: Path | None) -> dict[str, str]:
    """The worker's further settings; raises `SettingsError` or `PolicyError` before anything is started."""
    from sluice.settings import load_settings
    from sluice.verdict.policy_set import load_policies

    settings = load_settings()
    path = (policy or settings.policy_path).resolve()
    load_policies(path)
    return {"SLUICE_MEDIA_STORE": settings.media_store, "SLUICE_POLICY": str(path)}


def _announce(running: Running, state_dir: Path, as_json: bool) -> None:
    addresses = {name: value for name, value in msgspec.structs.asdict(running).items() if value is not None}
    addresses["logs"] = str(state_dir)
    if wants_json(as_json):
        emit(json.dumps(addresses).encode())
    for name, address in addresses.items():
        say(f"{name:12} {address}")
    say("publish      sluice publish --wait --text 'Good morning!'")
    say("read         sluice verdicts --follow")
    say("stop         Ctrl-C")
