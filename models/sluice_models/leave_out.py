"""Trains the text encoder without some sources and measures on those: ``python -m sluice_models.leave_out --fold A``.

A figure on rows of a source that training saw says how well its annotators are imitated; these say what to expect of
texts from elsewhere. A fold takes as long as training the text encoder does: most of an hour on a core, minutes on a
GPU. `python -m sluice_models.evaluate` puts the figures of all folds that have been run into the model card.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sluice_models.config import RUNS
from sluice_models.console import report_errors
from sluice_models.data.bundle import Example, read_source_rows
from sluice_models.measure.folds import FIGURES, FOLDS, FoldFigures, read_figures, write_figures
from sluice_models.measure.score_texts import TextScorer
from sluice_models.measure.source_figures import SourceRow, average_sources, report_source, sample_source
from sluice_models.training.device import best_device
from sluice_models.training.parallel_jobs import Job, run_jobs
from sluice_models.training.train_text import train_text_model

N_ROWS = 2_500
"""Of each source that is left out, besides all rows with rare labels."""
CHECKPOINTS = "leave_out"
NAMES = "|".join(FOLDS)


def measure_left_out(scorer: TextScorer, examples: list[Example], n_rows: int = N_ROWS) -> list[SourceRow]:
    """Every source among `examples` by itself, on a seeded sample."""
    by_source: dict[str, list[Example]] = {}
    for example in examples:
        by_source.setdefault(example.source, []).append(example)
    reports: list[SourceRow] = []
    for source in sorted(by_source):
        sample = sample_source(by_source[source], n_rows)
        reports += report_source(sample, scorer.score([row.text or "" for row in sample.rows]))
    return reports


def run_fold(bundle: Path, fold: str, runs: Path, share: float, console: Console) -> list[SourceRow]:
    """Train without the fold's sources and score them; the checkpoint stays in `runs`."""
    sources = FOLDS[fold]
    console.print(f"fold {fold}: training without {', '.join(sorted(sources))}")
    encoder = train_text_model(bundle, runs / CHECKPOINTS / fold, console, share, sources)
    console.print(f"fold {fold}: scoring what was left out")
    return measure_left_out(
        TextScorer(encoder.to(best_device()), device=best_device()), read_source_rows(bundle, sources)
    )


def run_all(bundle: Path, runs: Path, share: float, figures: Path, console: Console) -> None:
    """Every fold in a process of its own, as many at a time as there are cores."""
    options = ("--bundle", str(bundle), "--runs", str(runs), "--share", str(share), "--figures", str(figures))
    jobs = [Job(fold, ("sluice_models.leave_out", "--fold", fold, *options)) for fold in FOLDS]
    run_jobs(jobs, runs / CHECKPOINTS / "logs", console)


def check_folds(names: list[str] | None) -> list[str]:
    """The folds named; an exit with 2 where there is no such fold."""
    for name in names or ():
        if name not in FOLDS:
            raise typer.BadParameter(f"{name!r} is not one of {NAMES}")
    return names or []


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    fold: Annotated[
        list[str] | None,
        typer.Option(help="Only this; may be repeated. All by default.", metavar=f"[{NAMES}]", callback=check_folds),
    ] = None,
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of the YAML's steps: for a quick try.")] = 1.0,
    runs: Annotated[Path, typer.Option(help="Where checkpoints go; a run resumes there.")] = RUNS,
    figures: Annotated[Path, typer.Option(help="Where figures go; by default where the card has them from.")] = FIGURES,
) -> None:
    """Run the folds named one after the other, or all in parallel processes; print the means over their sources."""
    console = Console(stderr=True, highlight=False)
    with report_errors():
        for each in fold or ():
            reports = run_fold(bundle, each, runs, share, console)
            console.print(f"wrote {write_figures(figures, each, FoldFigures(share, reports))}")
        if not fold:
            run_all(bundle, runs, share, figures, console)
        console.print(_means_table(read_figures(figures)))


def _means_table(reports: list[SourceRow]) -> Table:
    table = Table("language", "label", "sources", "AUROC", "lowest", "highest", "AUPRC")
    for mean in average_sources(reports):
        figures = (mean.auroc, mean.lowest, mean.highest, mean.auprc)
        table.add_row(mean.language, mean.label, str(mean.n_sources), *(f"{value:.3f}" for value in figures))
    return table


if __name__ == "__main__":
    typer.run(main)
