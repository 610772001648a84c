import io
import json
import math
from itertools import count

import pytest
import torch
from rich.console import Console
from torch import nn
from typer import Typer
from typer.testing import CliRunner

from sluice.errors import SettingsError
from sluice_models import train
from sluice_models.config import (
    MODEL_NAMES,
    AudioConfig,
    FusionConfig,
    ImageConfig,
    TextConfig,
    Training,
    load_config,
)
from sluice_models.training import checkpoint
from sluice_models.training.loop import N_POINTS, RunProgress, Task, _step, fit, rate_share

pytestmark = pytest.mark.torch


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.slope * x


def make_task(model, batches):
    groups = [{"params": list(model.parameters()), "lr": 0.1}]
    return Task("fusion", model, groups, batches, lambda x: ((model(x) - 2 * x) ** 2).mean())


def endless():
    while True:
        yield torch.ones(4)


def make_training(n_steps):
    return Training(n_steps=n_steps, n_batch=4, learning_rate=0.1, fresh_learning_rate=0.1, weight_decay=0.0)


def test_fitting_learns_and_leaves_a_checkpoint_and_a_curve(tmp_path):
    model = Line()
    fit(make_task(model, endless()), make_training(400), tmp_path, Console(file=io.StringIO()))
    assert model.slope.item() == pytest.approx(2.0, abs=0.2)
    assert torch.load(checkpoint.checkpoint_file(tmp_path, "fusion"))["slope"] == model.slope
    curve = json.loads((tmp_path / "fusion.curve.json").read_text())
    assert len(curve) == N_POINTS
    assert curve[-1] < curve[0]
    assert not list(tmp_path.glob("*.state"))


class Noisy(Line):
    """Dropout makes every step depend on how many random numbers were drawn before it."""

    def forward(self, x):
        return torch.nn.functional.dropout(self.slope * x + 1.0, 0.5)


def varying(stop_at=None):
    for number in count():
        if number == stop_at:
            raise KeyboardInterrupt
        yield torch.full((4,), 1.0 + number % 7)


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr("sluice_models.training.loop.SAVE_EVERY_S", -1.0)
    training, console = make_training(20), Console(file=io.StringIO())
    torch.manual_seed(5)
    whole = Noisy()
    fit(make_task(whole, varying()), training, tmp_path / "whole", console)
    torch.manual_seed(5)
    with pytest.raises(KeyboardInterrupt):
        fit(make_task(Noisy(), varying(stop_at=8)), training, tmp_path / "cut", console)
    torch.manual_seed(99)
    resumed = Noisy()
    fit(make_task(resumed, varying()), training, tmp_path / "cut", console)
    assert resumed.slope.item() == whole.slope.item()


class Recorded(Line):
    """Keeps the batches that it saw."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(x[0].item())
        return super().forward(x)


def test_a_resumed_run_sees_the_batches_that_the_first_had_not_trained_on(tmp_path, monkeypatch):
    monkeypatch.setattr("sluice_models.training.loop.SAVE_EVERY_S", -1.0)
    console, first, second = Console(file=io.StringIO()), Recorded(), Recorded()
    with pytest.raises(KeyboardInterrupt):
        fit(make_task(first, varying(stop_at=5)), make_training(12), tmp_path, console)
    fit(make_task(second, varying()), make_training(12), tmp_path, console)
    assert first.seen + second.seen == [1.0 + number % 7 for number in range(12)]


def test_a_state_that_was_never_saved_starts_from_the_beginning(tmp_path):
    console, model = Console(file=io.StringIO()), Recorded()
    with pytest.raises(KeyboardInterrupt):
        fit(make_task(Recorded(), varying(stop_at=5)), make_training(12), tmp_path, console)
    assert not list(tmp_path.iterdir())
    fit(make_task(model, varying()), make_training(12), tmp_path, console)
    assert len(model.seen) == 12


def test_the_model_learns_in_training_mode_and_is_left_in_evaluation_mode(tmp_path):
    modes = []
    model = Line().eval()
    model.register_forward_hook(lambda module, *_: modes.append(module.training))
    fit(make_task(model, endless()), make_training(3), tmp_path, Console(file=io.StringIO()))
    assert modes == [True] * 3
    assert not model.training


def test_every_group_follows_the_rate_from_its_own_peak(tmp_path):
    model, rates = Line(), []
    model.offset = nn.Parameter(torch.zeros(1))
    groups = [{"params": [model.slope], "lr": 0.1}, {"params": [model.offset], "lr": 0.2, "weight_decay": 0.0}]
    steps = torch.optim.AdamW.step

    def step(optimiser, closure=None):
        rates.append([group["lr"] for group in optimiser.param_groups])
        return steps(optimiser, closure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        task = Task("fusion", model, groups, endless(), lambda x: (model(x) + model.offset).mean())
        fit(task, make_training(40), tmp_path, Console(file=io.StringIO()))
    assert [second / first for first, second in rates] == pytest.approx([2.0] * 40)
    assert max(first for first, _ in rates) == pytest.approx(0.1)


def test_a_huge_gradient_is_cut():
    model = Line()
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    task = Task("fusion", model, [], endless(), lambda x: model(x).sum() * 1e6)
    _step(task, torch.ones(4), torch.device("cpu"), optimiser)
    assert model.slope.item() == pytest.approx(-5.0, rel=1e-3)


def test_a_curve_is_the_mean_of_equal_windows():
    run = RunProgress()
    assert math.isnan(run.loss)
    for loss in range(6):
        run.record(float(loss), n_steps=2 * N_POINTS)
    assert run.curve == [0.5, 2.5, 4.5]
    assert (run.step, run.loss, run.window) == (6, 4.5, [])


def test_short_runs_have_a_point_for_every_step():
    run = RunProgress()
    run.record(3.0, n_steps=10)
    assert run.curve == [3.0]


def test_where_nobody_sees_a_bar_lines_tell_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("sluice_models.training.loop.SAVE_EVERY_S", -1.0)
    said = io.StringIO()
    fit(make_task(Line(), endless()), make_training(2), tmp_path, Console(file=said, width=100))
    assert "step 1 of 2, loss 4.000" in said.getvalue()


def test_the_rate_rises_and_falls():
    assert rate_share(0.0, 0.1) < rate_share(0.05, 0.1) < rate_share(0.1, 0.1) == pytest.approx(1.0)
    assert rate_share(1.0, 0.1) == pytest.approx(0.02)


def test_every_model_has_its_yaml():
    kinds = (TextConfig, ImageConfig, AudioConfig, FusionConfig)
    for name, kind in zip(MODEL_NAMES, kinds, strict=True):
        assert load_config(name, kind).training.n_steps > 0


def test_a_yaml_of_another_model_is_refused():
    with pytest.raises(SettingsError, match=r"image_encoder\.yaml"):
        load_config("image_encoder", TextConfig)


def test_training_asks_for_all_or_for_parts(tmp_path):
    app = Typer()
    app.command()(train.main)
    result = CliRunner().invoke(app, ["--bundle", str(tmp_path)])
    assert result.exit_code == 1
    assert "--all or --only" in result.output


def test_training_without_a_bundle_says_what_is_missing(tmp_path):
    app = Typer()
    app.command()(train.main)
    result = CliRunner().invoke(app, ["--bundle", str(tmp_path), "--only", "text", "--runs", str(tmp_path)])
    assert result.exit_code == 1
    assert "--bundle" in result.output
