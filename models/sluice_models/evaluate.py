"""Measures the trained models: ``python -m sluice_models.evaluate --bundle DIR``."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown

from sluice_models.config import RUNS
from sluice_models.console import report_errors
from sluice_models.measure.card import CARD_FILE, fill_card, make_tables
from sluice_models.measure.context import N_OBFUSCATED, EvaluationContext
from sluice_models.measure.evaluation import choose_reports, evaluate_all
from sluice_models.measure.report import Evaluation
from sluice_models.measure.report_plots import draw_plots, draw_training


class SplitName(StrEnum):
    """What `--split` takes."""

    VAL = "val"
    TRAIN = "train"


def to_json(evaluation: Evaluation) -> str:
    """One object with a list per table; figures that are not defined are null."""
    content = {"split": evaluation.split, **{name: list(map(asdict, rows)) for name, rows in evaluation.rows.items()}}
    return json.dumps(_replace_nan(content), ensure_ascii=False, allow_nan=False)


def _replace_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _replace_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    split: Annotated[SplitName, typer.Option(help="Of `train`, the figures are of a varied sample.")] = SplitName.VAL,
    runs: Annotated[Path, typer.Option(help="Where the checkpoints are.")] = RUNS,
    out: Annotated[Path | None, typer.Option(help="Where plots and report.json go; runs/report by default.")] = None,
    obfuscated: Annotated[
        int, typer.Option(min=1, help="Texts per language that every trick is tried on; fewer are quicker.")
    ] = N_OBFUSCATED,
    only: Annotated[list[str] | None, typer.Option(help="Measure this report alone, and others named so.")] = None,
    card: Annotated[bool, typer.Option("--card", help="Write the measured tables of the model card.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Score a split and print every figure, with 95 % bootstrap intervals."""
    console = Console(stderr=True)
    out = out or runs / "report"
    with report_errors():
        context = EvaluationContext(bundle, runs, split.value, obfuscated)
        evaluation = evaluate_all(context, console, choose_reports(only or []))
        if not only:
            _keep(context, evaluation, out)
        tables = make_tables(evaluation)
        if card:
            CARD_FILE.write_text(fill_card(CARD_FILE.read_text("utf-8"), tables), "utf-8")
    if as_json:
        typer.echo(to_json(evaluation))
    else:
        for name in tables:
            Console().print(Markdown(f"## {name}\n\n{tables[name]}"))


def _keep(context: EvaluationContext, evaluation: Evaluation, out: Path) -> None:
    """Plots and figures of a whole evaluation."""
    out.mkdir(parents=True, exist_ok=True)
    for each in context.scored:
        draw_plots(each, out)
    draw_training(context.runs, out)
    (out / "report.json").write_text(to_json(evaluation) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(main)
