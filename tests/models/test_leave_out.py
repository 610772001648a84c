"""``python -m sluice_models.leave_out``: which folds run, on what, and where their figures go."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from typer import Typer
from typer.testing import CliRunner

from sluice.errors import SettingsError
from sluice.intervals import Figure
from sluice.schema import LABELS
from sluice_models import leave_out
from sluice_models.data.bundle import Example
from sluice_models.leave_out import measure_left_out, run_all, run_fold
from sluice_models.measure.folds import FOLDS, read_figures
from sluice_models.measure.source_figures import OWN_NEGATIVES, SourceRow

pytestmark = pytest.mark.torch
HATE = LABELS.index("hate")


def make_row(source: str = "ethos", auroc: float = 0.75) -> SourceRow:
    figure = Figure(auroc, auroc - 0.1, auroc + 0.1)
    return SourceRow(source, "en", "hate", OWN_NEGATIVES, 30, 70, figure, figure)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Folds that the command ran by itself, and the share of steps; each gives one row."""
    noted: list[tuple[str, float]] = []

    def run_one(bundle, fold, runs, share, console):
        noted.append((fold, share))
        return [make_row(min(FOLDS[fold]), 0.5 + len(noted) / 10)]

    monkeypatch.setattr(leave_out, "run_fold", run_one)
    return noted


@pytest.fixture
def run(tmp_path: Path):
    app = Typer()
    app.command()(leave_out.main)
    options = ["--bundle", "bundle", "--runs", str(tmp_path / "runs"), "--figures", str(tmp_path / "figures")]
    return lambda *arguments: CliRunner().invoke(app, [*options, *map(str, arguments)])


def test_folds_that_are_named_run_one_after_the_other_and_keep_their_figures(run, ran, tmp_path: Path) -> None:
    result = run("--fold", "K", "--fold", "A", "--share", "0.5")
    assert result.exit_code == 0, result.output
    assert ran == [("K", 0.5), ("A", 0.5)]
    assert {row.source for row in read_figures(tmp_path / "figures")} == {min(FOLDS["K"]), min(FOLDS["A"])}
    assert result.stdout == ""
    assert "0.650" in result.stderr  # the mean over both sources


def test_without_a_name_every_fold_runs_in_a_process_of_its_own(
    run, ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list = []
    monkeypatch.setattr(leave_out, "run_jobs", lambda jobs, logs, console: started.append((jobs, logs)))
    assert run().exit_code == 0
    ((jobs, logs),) = started
    assert [job.name for job in jobs] == list(FOLDS)
    assert all(job.command[:3] == ("sluice_models.leave_out", "--fold", job.name) for job in jobs)
    assert logs.is_relative_to(tmp_path / "runs")
    assert ran == []


def test_a_process_of_a_fold_gets_all_options(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list = []
    monkeypatch.setattr(leave_out, "run_jobs", lambda jobs, logs, console: started.extend(jobs))
    run_all(Path("b"), Path("r"), 0.1, Path("f"), Console(quiet=True))
    options = ("--bundle", "b", "--runs", "r", "--share", "0.1", "--figures", "f")
    assert {job.command[3:] for job in started} == {options}


@pytest.mark.parametrize("arguments", [["--fold", "Z"], ["--share", "-1"], ["--fold", "A", "--share", "1.1"]])
def test_wrong_usage_is_2(run, ran, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, ran) == (2, [])


def test_a_bundle_that_is_missing_is_one_line(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_):
        raise SettingsError("--bundle: it does not exist")

    monkeypatch.setattr(leave_out, "run_fold", refuse)
    result = run("--fold", "A")
    assert (result.exit_code, result.stderr) == (1, "error: --bundle: it does not exist\n")


def test_a_fold_is_trained_without_its_sources_and_measured_on_them_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict = {}
    encoder = SimpleNamespace(to=lambda device: "the encoder")

    def train(bundle, runs, console, share, without):
        asked["train"] = (bundle, runs, share, without)
        return encoder

    def read(bundle, sources):
        asked["read"] = (bundle, sources)
        return "rows"

    monkeypatch.setattr(leave_out, "train_text_model", train)
    monkeypatch.setattr(leave_out, "read_source_rows", read)
    monkeypatch.setattr(leave_out, "TextScorer", lambda given, **_: f"scores by {given}")
    monkeypatch.setattr(leave_out, "measure_left_out", lambda scorer, rows: (scorer, rows))
    found: object = run_fold(Path("bundle"), "C", tmp_path, 0.2, Console(quiet=True))
    assert found == ("scores by the encoder", "rows")
    assert asked["train"] == (Path("bundle"), tmp_path / "leave_out" / "C", 0.2, FOLDS["C"])
    assert asked["read"] == (Path("bundle"), FOLDS["C"])


class ByNumber:
    """Stands for a scorer: hate is the number that a text ends in, as a share of 100; counts what it reads."""

    def __init__(self) -> None:
        self.n_texts = 0

    def score(self, texts):
        self.n_texts += len(texts)
        scores = np.zeros((len(texts), len(LABELS)), np.float32)
        scores[:, HATE] = [int(text.split()[-1]) / 100 for text in texts]
        return scores


def make_examples(source: str, n_rows: int) -> list[Example]:
    targets = [np.full(len(LABELS), np.nan, np.float32) for _ in range(n_rows)]
    for number, row in enumerate(targets):
        row[HATE] = number % 2
    return [Example(f"{source}-{i}", f"text {i}", None, "en", row, source) for i, row in enumerate(targets)]


def test_sources_are_reported_in_the_order_of_their_names() -> None:
    rows = measure_left_out(ByNumber(), make_examples("two", 60) + make_examples("one", 60))
    assert [row.source for row in rows] == ["one", "two"]


def test_a_large_source_is_sampled() -> None:
    scorer = ByNumber()
    (row,) = measure_left_out(scorer, make_examples("large", 400), n_rows=100)
    assert scorer.n_texts == row.n_positives + row.n_negatives == 100


def test_without_rows_there_is_nothing_to_report() -> None:
    assert measure_left_out(ByNumber(), []) == []
