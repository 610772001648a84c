"""``sluice bench``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.bench.names import DESCRIPTIONS, RowName
from sluice.cli.console import emit, ending_like_ctrl_c, make_console, say
from sluice.cli.stacks import open_state
from sluice.errors import BenchmarkError

if TYPE_CHECKING:
    from sluice.bench.report import BenchReport
    from sluice.bench.run import BenchConfig

ROWS_HELP = "Only these rows, separated by commas: " + ", ".join(RowName) + "."
QUICK_S, N_QUICK = 3.0, 300
N_TEXTS, N_MIXED = 8_000, 2_000
"""Posts of a round by default: more than a round of seconds takes. Pictures take time to draw."""


def bench(
    mix: Annotated[
        str, typer.Option(help="Percent of posts: text / and a picture / and several / and a clip; or: text.")
    ] = "70/20/7/3",
    repeats: Annotated[float, typer.Option(min=0, max=99, help="Percent of posts that repeat others.")] = 15.0,
    rows: Annotated[str | None, typer.Option(help=ROWS_HELP)] = None,
    rounds: Annotated[int, typer.Option(min=1, max=99, help="Each row is measured so often, in turn.")] = 3,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="How long each load lasts.")] = 10.0,
    posts: Annotated[int | None, typer.Option(min=50, help="Most posts of a round.")] = None,
    loads: Annotated[
        str, typer.Option(help="Percent of its capacity at which a row's latency is measured.")
    ] = "50,70,90",
    steady: Annotated[bool, typer.Option("--steady", help="Evenly spaced posts instead of independent ones.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="One short round, no latencies: does everything run?")] = False,
    soak: Annotated[float, typer.Option(min=0, help="Minutes at full load at the end: how memory goes.")] = 0.0,
    profile: Annotated[bool, typer.Option("--profile", help="A flame graph of the worker (py-spy) in --out.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write bench.json and the plots into this folder.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of posts, pictures, clips and arrivals.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
) -> None:
    """Measure throughput and latency here, beside the models' limit and beside other ways to run the same models.

    Needs the extra `bench`, and Java and Maven for Kafka. Every row gets the same posts; medians over the rounds.
    Exit code 1: a row failed, lost posts, or gave other answers.

    Example: sluice bench --mix text --rows limit-triton,sluice,aiokafka --out bench

    Example: sluice bench --quick --rows sluice
    """
    from sluice.bench.posts import parse_mix
    from sluice.bench.run import BenchConfig

    chosen = parse_mix(mix, repeats)
    config = BenchConfig(
        mix=chosen,
        rows=parse_rows(rows),
        n_rounds=1 if quick else rounds,
        seconds=QUICK_S if quick else seconds,
        n_posts=posts or (N_QUICK if quick else N_TEXTS if chosen.text == 100 else N_MIXED),
        seed=seed,
        loads=() if quick else parse_loads(loads),
        arrivals="steady" if steady else "poisson",
        soak_minutes=soak,
        profile=_require_folder(out) if profile else None,
    )
    report = _run(config)
    _show(report, out, as_json)
    if report.problems:
        raise typer.Exit(1)


def parse_rows(given: str | None) -> list[RowName]:
    """Names separated by commas, in the table's order; all of them for none. Raises `BenchmarkError`."""
    if given is None:
        return list(RowName)
    names = {name.strip() for name in given.split(",")}
    if unknown := sorted(names - set(RowName)):
        raise BenchmarkError(f"there is no row {unknown[0]!r}; there are: {', '.join(RowName)}")
    return [row for row in RowName if row in names]


def parse_loads(given: str) -> list[float]:
    """Percent separated by commas, as shares. Raises `BenchmarkError`."""
    try:
        loads = [float(each) / 100 for each in given.split(",") if each.strip()]
    except ValueError as error:
        raise BenchmarkError(f"the loads {given!r} are not numbers separated by commas") from error
    if not all(0 < load <= 2 for load in loads):
        raise BenchmarkError(f"the loads {given!r} are not between 0 and 200 percent")
    return loads


def _require_folder(out: Path | None) -> Path:
    if out is None:
        raise BenchmarkError("--profile writes into the folder of --out: name one")
    out.mkdir(parents=True, exist_ok=True)
    return out


def _run(config: BenchConfig) -> BenchReport:
    from sluice.bench.run import run_bench
    from sluice.cache import cache_dir

    for row in config.rows:
        say(f"{row:<16} {DESCRIPTIONS[row]}")
    with ExitStack() as cleanup:
        cleanup.enter_context(ending_like_ctrl_c())
        return run_bench(config, cleanup.enter_context(open_state(None)), cache_dir() / "bench", say)


def _show(report: BenchReport, out: Path | None, as_json: bool) -> None:
    from sluice.bench.report import make_tables

    console = make_console()
    for table in make_tables(report):
        console.print(table)
    for problem in report.problems:
        say(f"sluice: {problem}")
    if out is not None:
        from sluice.bench.plots import draw

        out.mkdir(parents=True, exist_ok=True)
        (out / "bench.json").write_bytes(report.to_json() + b"\n")
        for file in draw(report, out):
            say(f"wrote {file}")
    if as_json:
        emit(report.to_json())
