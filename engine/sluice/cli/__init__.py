"""The command line. JSON goes to standard output, everything else to standard error.

Commands import what they need when they run: ``sluice --help`` must not wait for audio libraries.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sluice import __version__
from sluice.cli import (
    audit,
    backtest,
    bench,
    benchmark,
    calibrate,
    chaos,
    dead_letters,
    decisions,
    demo,
    drift,
    erase,
    explain,
    hashes,
    history,
    match,
    plan,
    policy,
    publish,
    report,
    schema,
    score,
    serve,
    shadow,
    shared_lists,
    transparency,
    up,
    verdicts,
    webhooks,
    worker,
)
from sluice.cli.console import say
from sluice.errors import SluiceError

WORKER = "worker"


class Commands(TyperGroup):
    """The commands; an expected failure is one line."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except SluiceError as error:
            say(f"sluice: {error}")
            raise typer.Exit(1) from error


app = typer.Typer(
    name="sluice",
    cls=Commands,
    epilog="Start with: sluice demo. Exit codes: 0 done, 1 something failed, 2 wrong usage, 130 Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"sluice {__version__}")
        raise typer.Exit


@app.callback()
def prepare(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Streaming content moderation: posts into Kafka, one explained verdict per post out."""
    if context.invoked_subcommand != WORKER:  # whose log says so
        _name_unknown_variables()


def _name_unknown_variables() -> None:
    if any(name.startswith("SLUICE_") for name in os.environ):
        from sluice.settings import name_unknown

        for line in name_unknown():
            say(f"sluice: {line}")


app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command(WORKER)(worker.run)
app.command("publish")(publish.publish)
app.command("verdicts")(verdicts.read_verdicts)
app.command("score")(score.score)
app.command("report")(report.report)
app.command("backtest")(backtest.backtest)
app.command("shadow")(shadow.shadow)
app.add_typer(decisions.app, name="decisions")
app.command("drift")(drift.drift)
app.command("serve")(serve.serve)
app.command("new-key")(serve.new_key)
app.command("webhooks")(webhooks.webhooks)
app.command("new-webhook-secret")(webhooks.new_secret)
app.command("match")(match.match)
app.command("calibrate")(calibrate.calibrate)
app.command("benchmark")(benchmark.benchmark)
app.command("bench")(bench.bench)
app.command("plan")(plan.plan)
app.command("chaos")(chaos.chaos)
app.command("schema")(schema.print_schema)
app.command("erase")(erase.erase)
app.command("explain")(explain.explain)
app.command("transparency")(transparency.transparency)
app.add_typer(audit.app, name="audit")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(history.app, name="history")
app.add_typer(shared_lists.app, name="lists")
app.add_typer(hashes.app, name="hashes")
app.add_typer(policy.app, name="policy")


ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""NumPy's products here are small: a second thread waits for them in a loop, and a text costs half as much again.
NumPy reads this when it is imported, which is later."""


def main() -> None:
    """Run the command line; a terminal that knows ASCII alone gets a question mark for what it cannot show."""
    os.environ.update({name: n_threads for name, n_threads in ONE_THREAD.items() if name not in os.environ})
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    app()
