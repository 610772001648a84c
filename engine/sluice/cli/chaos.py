"""``sluice chaos``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import emit, ending_like_ctrl_c, make_console, say
from sluice.cli.options import StackKafkaOption
from sluice.cli.stacks import open_state

if TYPE_CHECKING:
    from sluice.chaos.report import ChaosReport


def chaos(
    minutes: Annotated[float, typer.Option(min=0.1, max=1440, help="How long to make faults.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the faults' order and of the posts.")] = 1,
    rate: Annotated[float, typer.Option(min=1, max=1000, help="Posts per second.")] = 40.0,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Workers of one group.")] = 2,
    kafka: StackKafkaOption = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="Keep logs and Kafka's data here; by default they go at the end.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
) -> None:
    """Break everything in turn under load, and count what was lost.

    Starts three Kafka brokers (Java and Maven), Triton and workers, publishes posts, and kills, stops, slows and cuts
    off one after the other. Workers that acknowledge wrongly run at the end, and have to lose posts.
    Exit code 0: nothing lost, no two verdicts of a post differ, every recovery within 30 s, and the controls lost.

    Example: sluice chaos --minutes 10 --seed 1

    Example: sluice chaos --minutes 2 --json > report.json
    """
    from sluice.chaos.run import ChaosConfig, run_chaos
    from sluice.connection import find_connection

    cluster = find_connection(kafka).kafka if kafka else None
    config = ChaosConfig(minutes, seed, rate, workers, cluster)
    with ExitStack() as cleanup:
        cleanup.enter_context(ending_like_ctrl_c())
        report = run_chaos(config, cleanup.enter_context(open_state(state_dir)), say)
    _show(report, as_json)
    if report.problems:
        raise typer.Exit(1)


def _show(report: ChaosReport, as_json: bool) -> None:
    from sluice.chaos.report import make_tables

    console = make_console()
    for table in make_tables(report):
        console.print(table)
    for problem in report.problems:
        say(f"sluice: {problem}")
    if as_json:
        emit(report.to_json())
