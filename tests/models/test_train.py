"""Which parts are trained, in which order, for how long; the training itself is tested in training/."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from typer import Typer
from typer.testing import CliRunner

from sluice_models import train
from sluice_models.config import FusionConfig, load_config
from sluice_models.train import NEEDS, Part, train_all, train_part

pytestmark = pytest.mark.torch


@pytest.fixture
def run():
    app = Typer()
    app.command()(train.main)
    return lambda *arguments: CliRunner().invoke(app, ["--bundle", "bundle", *map(str, arguments)])


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Notes what would be trained."""
    noted: list[tuple] = []

    def note(name: str):
        return lambda *arguments: noted.append((name, *arguments))

    monkeypatch.setattr(train, "train_image", note("image"))
    monkeypatch.setattr(train, "train_audio", note("audio"))
    monkeypatch.setattr(train, "train_fusion", note("fusion"))
    monkeypatch.setattr(train, "train_text_model", note("text"))
    return noted


@pytest.mark.parametrize("part", Part)
def test_every_part_is_trained_by_its_own_function(part: Part, trained: list[tuple]) -> None:
    train_part(part, Path("bundle"), Path("runs"), 1.0, Console(quiet=True))
    assert [name for name, *_ in trained] == [part.value]


@pytest.mark.parametrize(("share", "n_steps"), [(1.0, None), (0.5, None), (0.0, 1), (1e-9, 1)])
def test_a_share_of_the_steps_is_at_least_one(share: float, n_steps: int | None, trained: list[tuple]) -> None:
    whole = load_config("fusion", FusionConfig).training.n_steps
    train_part(Part.FUSION, Path("bundle"), Path("runs"), share, Console(quiet=True))
    _, _, training, *_ = trained[0]
    assert training.n_steps == (n_steps or round(whole * share))


def test_the_image_encoder_is_shortened(trained: list[tuple]) -> None:
    train_part(Part.IMAGE, Path("bundle"), Path("runs"), 0.0, Console(quiet=True))
    _, _, config, *_ = trained[0]
    assert config.training.n_steps == 1


def test_what_a_part_needs_comes_before_it() -> None:
    order = list(Part)
    for part, needed in NEEDS.items():
        assert all(order.index(one) < order.index(part) for one in needed), part


def test_all_parts_run_as_the_command_does_with_the_same_options(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, folders = [], []

    def note(found, logs, console):
        jobs.extend(found)
        folders.append(logs)

    monkeypatch.setattr(train, "run_jobs", note)
    train_all(Path("bundle"), Path("runs"), 0.25, Console(quiet=True))
    assert [job.name for job in jobs] == list(Part)
    assert {job.name: job.needs for job in jobs if job.needs} == NEEDS
    for job in jobs:
        options = ["--bundle", "bundle", "--runs", "runs", "--share", "0.25"]
        assert list(job.command) == ["sluice_models.train", "--only", job.name, *options]
    assert folders == [Path("runs/logs")]


@pytest.mark.parametrize("arguments", [[], ["--all", "--only", "fusion"]])
def test_all_or_some_has_to_be_said(run, trained: list[tuple], arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert "say either --all or --only PART" in result.stderr
    assert trained == []


def test_parts_are_trained_in_the_order_in_which_they_are_named(run, trained: list[tuple]) -> None:
    result = run("--only", "audio", "--only", "image", "--share", "0")
    assert result.exit_code == 0, result.output
    assert [name for name, *_ in trained] == ["audio", "image"]


@pytest.mark.parametrize("arguments", [["--only", "video"], ["--only", "audio", "--share", "2"]])
def test_wrong_usage_is_2(run, trained: list[tuple], arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
    assert trained == []
