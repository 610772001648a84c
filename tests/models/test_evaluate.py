"""``python -m sluice_models.evaluate``: what is printed, written and put into the card."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer import Typer
from typer.testing import CliRunner

from sluice.errors import SettingsError
from sluice.intervals import NO_FIGURE, Figure
from sluice_models import evaluate
from sluice_models.evaluate import to_json
from sluice_models.measure.card import list_tables
from sluice_models.measure.headlines import Headline
from sluice_models.measure.report import Evaluation
from sluice_models.measure.serving_cost import CostRow

pytestmark = pytest.mark.torch
ROWS = {
    "headlines": (Headline("accuracy", "rows", 3, Figure(0.5, 0.4, 0.6)), Headline("none", "rows", 0, NO_FIGURE)),
    "costs": (CostRow("fusion", 1_000, 8, 1.5, math.inf),),
}
EVALUATION = Evaluation("val", ROWS)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list:
    """The contexts for which the command evaluates; it gets `EVALUATION`."""
    contexts: list = []

    def context_of(*arguments):
        return SimpleNamespace(arguments=arguments, scored=["text", "image"], runs=arguments[1])

    def measure(context, console, reports):
        contexts.append(context.arguments)
        console.print("measuring")
        return Evaluation("val", {report.name: ROWS.get(report.name, ()) for report in reports})

    monkeypatch.setattr(evaluate, "EvaluationContext", context_of)
    monkeypatch.setattr(evaluate, "evaluate_all", measure)
    return contexts


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    noted: list = []

    def draw(what, out: Path):
        out.mkdir(parents=True, exist_ok=True)
        noted.append((what, out))

    monkeypatch.setattr(evaluate, "draw_plots", draw)
    monkeypatch.setattr(evaluate, "draw_training", draw)
    return noted


@pytest.fixture
def run(asked, drawn, tmp_path: Path):
    app = Typer()
    app.command()(evaluate.main)
    options = ["--bundle", str(tmp_path / "bundle"), "--runs", str(tmp_path / "runs")]
    return lambda *arguments: CliRunner().invoke(app, [*options, *map(str, arguments)])


def test_json_is_one_object_with_a_list_per_report(run) -> None:
    result = run("--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["split"] == "val"
    assert printed["headlines"][0]["figure"] == {"value": 0.5, "low": 0.4, "high": 0.6}
    assert "measuring" in result.stderr


def test_what_is_no_number_is_null_in_json() -> None:
    written = json.loads(to_json(EVALUATION))
    assert written["headlines"][1]["figure"] == {"value": None, "low": None, "high": None}
    assert written["costs"][0] == {"model": "fusion", "n_bytes": 1000, "n_batch": 8, "median_ms": 1.5, "p95_ms": None}


def test_names_in_other_scripts_stay_readable() -> None:
    assert "中文" in to_json(Evaluation("val", {"headlines": (Headline("中文", "rows", 1, NO_FIGURE),)}))


def test_the_report_is_written_beside_the_checkpoints(run, drawn: list, tmp_path: Path) -> None:
    run("--json")
    written = tmp_path / "runs" / "report" / "report.json"
    assert json.loads(written.read_text("utf-8"))["split"] == "val"
    assert [what for what, _ in drawn] == ["text", "image", tmp_path / "runs"]
    assert {out for _, out in drawn} == {written.parent}


def test_or_where_it_is_asked_for(run, drawn: list, tmp_path: Path) -> None:
    run("--out", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "report.json").is_file()
    assert not (tmp_path / "runs").exists()


def test_people_get_every_table(run) -> None:
    result = run()
    assert result.exit_code == 0
    assert "accuracy" in result.stdout
    assert "0.500" in result.stdout


def test_options_reach_the_evaluation(run, asked: list, tmp_path: Path) -> None:
    run("--split", "train", "--obfuscated", "7")
    assert asked == [(tmp_path / "bundle", tmp_path / "runs", "train", 7)]


def test_the_card_is_left_alone_unless_it_is_asked_for(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = tmp_path / "card.md"
    empty = "".join(f"<!-- table: {name} -->\n<!-- end of table -->\n" for name in list_tables())
    card.write_text(empty, "utf-8")
    monkeypatch.setattr(evaluate, "CARD_FILE", card)
    run()
    assert card.read_text("utf-8") == empty
    run("--card")
    assert "| accuracy | rows | 3 | 0.500 [0.400, 0.600] |" in card.read_text("utf-8")


def test_one_report_alone_leaves_the_other_tables_and_what_is_kept_of_a_whole_one(
    run, drawn: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "CARD_FILE", tmp_path / "card.md")
    marked = "".join(f"<!-- table: {name} -->\nof {name}\n<!-- end of table -->\n" for name in list_tables())
    (tmp_path / "card.md").write_text(marked, "utf-8")
    assert run("--only", "costs", "--card").exit_code == 0
    card = (tmp_path / "card.md").read_text("utf-8")
    assert "| fusion | 0.0 | 8 |" in card
    assert {f"of {name}" for name in list_tables()} - set(card.splitlines()) == {"of cost"}
    assert (drawn, (tmp_path / "runs").exists()) == ([], False)


@pytest.mark.parametrize("name", ["headlines", "nonsense"])
def test_what_cannot_be_measured_alone_is_named(run, name: str) -> None:
    result = run("--only", "costs", "--only", name)
    assert result.exit_code == 1
    assert name in result.stderr
    assert "everyday_sounds" in result.stderr


def test_a_card_with_other_markers_is_an_error_and_not_touched(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "card.md").write_text("no markers", "utf-8")
    monkeypatch.setattr(evaluate, "CARD_FILE", tmp_path / "card.md")
    result = run("--card")
    assert result.exit_code == 1
    assert "error: the model card marks []" in result.stderr
    assert (tmp_path / "card.md").read_text("utf-8") == "no markers"


def test_a_bundle_that_is_missing_is_one_line(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(context, console, reports):
        raise SettingsError("--bundle: text.jsonl.zst does not exist")

    monkeypatch.setattr(evaluate, "evaluate_all", refuse)
    result = run()
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: --bundle: text.jsonl.zst does not exist\n"


@pytest.mark.parametrize("options", [["--split", "test"], ["--obfuscated", "0"]])
def test_wrong_usage_is_2(run, asked: list, options: list[str]) -> None:
    assert run(*options).exit_code == 2
    assert asked == []
