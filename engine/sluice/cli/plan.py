"""``sluice plan``."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.bench.names import RowName
from sluice.cli.console import emit, make_console, say
from sluice.errors import BenchmarkError

if TYPE_CHECKING:
    from sluice.bench.figures import Figures
    from sluice.bench.plan import Hardware, Plan
    from sluice.bench.posts import Mix

TOLERANCE = 0.2


def plan(
    rate: Annotated[str, typer.Option(help="Posts per second at the peak; several, separated by commas.")],
    figures: Annotated[list[Path], typer.Option(help="bench.json of sluice bench --out; may be given more than once.")],
    mix: Annotated[str, typer.Option(help="As in sluice bench.")] = "70/20/7/3",
    repeats: Annotated[float, typer.Option(min=0, max=99, help="As in sluice bench, and as it was measured.")] = 15.0,
    row: Annotated[
        RowName, typer.Option(help="Whose figures; sluice-whole also reads text in pictures.", metavar="ROW")
    ] = RowName.sluice,
    busy: Annotated[float, typer.Option(min=5, max=100, help="Percent of a core or a link to plan for.")] = 60.0,
    cores: Annotated[int, typer.Option(min=1, help="Of a machine.")] = 16,
    gpu: Annotated[bool, typer.Option("--gpu", help="Triton on GPUs, as fast as the H100 of docs/numbers.md.")] = False,
    core_hour: Annotated[float, typer.Option(min=0, help="What a core costs for an hour.")] = 0.04,
    gpu_hour: Annotated[float, typer.Option(min=0, help="What a GPU costs for an hour.")] = 3.0,
    as_json: Annotated[bool, typer.Option("--json", help="The plans as JSON on standard output.")] = False,
) -> None:
    """Say what a rate of posts needs: workers, Triton, partitions, brokers, bandwidth and cost, and what limits it.

    Plans with what `sluice bench` measured. First it predicts the capacity that each run measured; a prediction that is
    off by more than 20 % makes the exit code 1.

    Example: sluice plan --figures bench/bench.json --rate 100,10000,1000000
    """
    from sluice.bench.figures import cost_of, read_figures
    from sluice.bench.plan import Hardware, make_plan
    from sluice.bench.posts import parse_mix

    rates, wanted = parse_rates(rate), parse_mix(mix, repeats)
    check_row(row, gpu)
    runs = [read_figures(file, row) for file in figures]
    hardware = Hardware(busy / 100, cores, gpu, core_hour, gpu_hour)
    cost_ms = cost_of(wanted, runs)
    plans = [make_plan(each, wanted, cost_ms, hardware) for each in rates]
    checks = [_check(file, run, runs) for file, run in zip(figures, runs, strict=True)]
    if as_json:
        for each in plans:
            emit(_to_json(each, wanted, hardware, row))
    _show(plans, gpu)
    if not all(checks):
        raise typer.Exit(1)


def parse_rates(given: str) -> list[float]:
    """Numbers above 0, separated by commas. Raises `BenchmarkError`."""
    try:
        rates = [float(each) for each in given.split(",")]
    except ValueError as error:
        raise BenchmarkError(f"the rates {given!r} are not numbers separated by commas") from error
    if not all(0 < rate < math.inf for rate in rates):
        raise BenchmarkError(f"the rates {given!r} are not above 0 and finite")
    return rates


def check_row(row: RowName, is_gpu: bool) -> None:
    """Raise `BenchmarkError` for a row that cannot be planned with."""
    from sluice.bench.figures import ROWS

    if row not in ROWS:
        raise BenchmarkError(f"the row {row} is not one worker on Kafka; there are: {', '.join(ROWS)}")
    if is_gpu and row == RowName.sluice_whole:
        raise BenchmarkError("how fast a GPU reads text in pictures was not measured: plan --gpu with the row sluice")


def _to_json(plan: Plan, mix: Mix, hardware: Hardware, row: RowName) -> bytes:
    """A plan as a line, with what it was made for."""
    made_for = {"mix": asdict(mix), "hardware": asdict(hardware), "row": row}
    found = {"bottleneck": plan.bottleneck, "cost_per_million": plan.cost_per_million}
    return json.dumps({**asdict(plan), **found, **made_for}).encode()


def _check(file: Path, run: Figures, runs: list[Figures]) -> bool:
    """Predict what the run measured: from the others where they suffice, else from its own CPU."""
    from sluice.bench.figures import cost_of, predict

    others = [other for other in runs if other is not run]
    try:
        found, source = predict(run, cost_of(run.mix, others)), "the other runs"
    except BenchmarkError:
        found, source = predict(run, cost_of(run.mix, [run])), "its CPU per post"
    ratio = found / run.posts_per_s
    say(f"{file}: {found:.0f} posts/s predicted from {source}, {run.posts_per_s:.0f} measured: {ratio:.2f}")
    return abs(ratio - 1) <= TOLERANCE


def _show(plans: list[Plan], is_gpu: bool) -> None:
    from rich.table import Table

    from sluice.bench.plan import COLUMNS, describe

    table = Table(*COLUMNS)
    for line in describe(plans, is_gpu):
        table.add_row(*line)
    make_console().print(table)
