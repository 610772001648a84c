"""The training loop that all models share: a number of steps, Adam, a progress bar, a curve, and resuming."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from sluice_models.config import Training
from sluice_models.training import checkpoint
from sluice_models.training.device import best_device, knows_bfloat16, move

SAVE_EVERY_S = 90.0
N_POINTS = 200
"""Of a training curve: the mean loss of every so many steps."""
BatchT = TypeVar("BatchT")


@dataclass
class Task(Generic[BatchT]):
    """What is trained, on what, and how far.

    Attributes
    ----------
    name : str
        Of the files in `runs`.
    groups : list of dict
        Adam's parameter groups, each with its peak ``lr``.
    batches : iterator
        Endless and the same at each start, so that a resumed run sees what an uninterrupted one would.
    loss : callable
        A batch, on the model's device, to a scalar; run under bfloat16 autocast where that is fast.
    """

    name: str
    model: nn.Module
    groups: list[dict[str, Any]]
    batches: Iterator[BatchT]
    loss: Callable[[BatchT], Tensor]


@dataclass
class RunProgress:
    """How far a run is: steps done, and the mean loss of each window of steps so far."""

    step: int = 0
    curve: list[float] = field(default_factory=list)
    window: list[float] = field(default_factory=list)

    def record(self, loss: float, n_steps: int) -> None:
        """Count one step and its loss."""
        self.step += 1
        self.window.append(loss)
        if len(self.window) >= max(1, n_steps // N_POINTS):
            self.curve.append(sum(self.window) / len(self.window))
            self.window.clear()

    @property
    def loss(self) -> float:
        """The last window's mean loss."""
        return self.curve[-1] if self.curve else math.nan


def fit(task: Task[BatchT], training: Training, runs: Path, console: Console) -> None:
    """Train and leave ``<name>.pt`` and ``<name>.curve.json`` in `runs`.

    An interrupted run goes on where it was saved and ends where it would have ended: batches, dropout and Adam are
    taken up at the saved step. It runs on `best_device`, and leaves the model on the CPU.
    """
    device = best_device()
    task.model.to(device)
    optimiser = torch.optim.AdamW(task.groups, weight_decay=training.weight_decay, fused=True)
    peaks = [group["lr"] for group in optimiser.param_groups]
    run = _resume(task, optimiser, runs)
    batches = islice(task.batches, run.step, None)
    task.model.train()
    with _progress(console) as progress:
        bar = progress.add_task(task.name, total=training.n_steps, completed=run.step, loss=math.nan)
        report = _reporter(progress, bar, training.n_steps, console)
        saved_s = time.monotonic()
        while run.step < training.n_steps:
            _set_rates(optimiser, peaks, rate_share(run.step / training.n_steps, training.warm_up))
            run.record(_step(task, move(next(batches), device), device, optimiser), training.n_steps)
            report(run)
            if time.monotonic() - saved_s > SAVE_EVERY_S:
                _save_state(task, optimiser, run, runs)
                saved_s = time.monotonic()
    task.model.cpu().eval()
    checkpoint.save(task.model, checkpoint.checkpoint_file(runs, task.name))
    (runs / f"{task.name}.curve.json").write_text(json.dumps(run.curve), "utf-8")
    _state_file(runs, task.name).unlink(missing_ok=True)


def _reporter(progress: Progress, bar: TaskID, n_steps: int, console: Console) -> Callable[[RunProgress], None]:
    """Moves the bar; where nobody sees one (a log file), writes a line every `SAVE_EVERY_S`."""
    reported_s = time.monotonic()

    def report(run: RunProgress) -> None:
        nonlocal reported_s
        progress.update(bar, completed=run.step, loss=run.loss)
        if not console.is_terminal and time.monotonic() - reported_s > SAVE_EVERY_S:
            reported_s = time.monotonic()
            console.print(f"step {run.step} of {n_steps}, loss {run.loss:.3f}")

    return report


def _set_rates(optimiser: torch.optim.Optimizer, peaks: list[float], share: float) -> None:
    for group, peak in zip(optimiser.param_groups, peaks, strict=True):
        group["lr"] = peak * share


def _step(task: Task[BatchT], batch: BatchT, device: torch.device, optimiser: torch.optim.Optimizer) -> float:
    with torch.autocast(device.type, torch.bfloat16, enabled=knows_bfloat16(device.type)):
        loss = task.loss(batch)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(task.model.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


def single_parameter_group(model: nn.Module, training: Training) -> list[dict[str, Any]]:
    """One group of parameters: for networks that start from nothing."""
    return [{"params": list(model.parameters()), "lr": training.fresh_learning_rate}]


def rate_share(progress: float, warm_up: float) -> float:
    """Share of the peak learning rate at a share of the budget: a linear rise, then a cosine down to 2 %."""
    if progress < warm_up:
        return max(progress / warm_up, 0.01)
    rest = (progress - warm_up) / (1 - warm_up)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(rest, 1.0)))


def _state_file(runs: Path, name: str) -> Path:
    return runs / f"{name}.state"


def _save_state(task: Task[BatchT], optimiser: torch.optim.Optimizer, run: RunProgress, runs: Path) -> None:
    runs.mkdir(parents=True, exist_ok=True)
    file = _state_file(runs, task.name)
    part = file.with_suffix(".part")
    state = {
        "model": task.model.state_dict(),
        "adam": optimiser.state_dict(),
        "rng": _rng_states(),
        "run": vars(run),
    }
    torch.save(state, part)
    part.replace(file)


def _resume(task: Task[BatchT], optimiser: torch.optim.Optimizer, runs: Path) -> RunProgress:
    """Load what an interrupted run left."""
    file = _state_file(runs, task.name)
    if not file.is_file():
        return RunProgress()
    state = torch.load(file, weights_only=True, map_location="cpu")
    task.model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["adam"])
    for set_state, rng_state in zip((torch.set_rng_state, torch.cuda.set_rng_state), state["rng"], strict=False):
        set_state(rng_state)
    return RunProgress(**state["run"])


def _rng_states() -> list[Tensor]:
    """Of the generators that dropout draws from: the CPU's, and the GPU's if there is one."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state()] if torch.cuda.is_available() else states


def _progress(console: Console) -> Progress:
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("loss {task.fields[loss]:.3f}"), console=console, refresh_per_second=0.5)
