"""The training loop that all models share: a wall-clock budget, Adam, a progress bar, and resuming."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from models import checkpoint
from models.config import ModelName, Training

SAVE_EVERY_S = 90.0
BatchT = TypeVar("BatchT")


@dataclass
class Task(Generic[BatchT]):
    """What is trained, on what, and how far.

    Attributes
    ----------
    groups : list of dict
        Adam's parameter groups, each with its peak ``lr``.
    batches : iterator
        Endless.
    loss : callable
        A batch to a scalar; run under bfloat16 autocast.
    after_step : callable
        Called after each step of Adam with the group's present share of the peak rate.
    """

    name: ModelName
    model: nn.Module
    groups: list[dict[str, Any]]
    batches: Iterator[BatchT]
    loss: Callable[[BatchT], Tensor]
    after_step: Callable[[], None] = field(default=lambda: None)


def fit(task: Task[BatchT], training: Training, runs: Path, console: Console) -> None:
    """Train for the budget and leave ``<name>.pt`` in `runs`; an interrupted run goes on where it was saved."""
    optimiser = torch.optim.AdamW(task.groups, weight_decay=training.weight_decay)
    peaks = [group["lr"] for group in optimiser.param_groups]
    elapsed_s = _resume(task, optimiser, runs)
    budget_s = training.minutes * 60
    task.model.train()
    with _progress(console) as progress:
        bar = progress.add_task(task.name, total=budget_s, completed=int(elapsed_s), loss=math.nan)
        _loop(task, optimiser, peaks, training, runs, elapsed_s, _reporter(progress, bar, budget_s, console))
    task.model.eval()
    checkpoint.save(task.model, checkpoint.checkpoint_file(runs, task.name))
    _state_file(runs, task.name).unlink(missing_ok=True)


def _reporter(progress: Progress, bar: TaskID, budget_s: float, console: Console) -> Callable[[float, float], None]:
    """Moves the bar; where nobody sees one (a log file), writes a line every `SAVE_EVERY_S`."""
    n_lines = 0

    def report(elapsed_s: float, loss: float) -> None:
        nonlocal n_lines
        progress.update(bar, completed=elapsed_s, loss=loss)
        if not console.is_terminal and elapsed_s // SAVE_EVERY_S > n_lines:
            n_lines = int(elapsed_s // SAVE_EVERY_S)
            console.print(f"{elapsed_s:.0f} of {budget_s:.0f} s, loss {loss:.3f}")

    return report


def _loop(
    task: Task[BatchT],
    optimiser: torch.optim.Optimizer,
    peaks: list[float],
    training: Training,
    runs: Path,
    elapsed_s: float,
    report: Callable[[float, float], None],
) -> None:
    started_s, saved_s = time.monotonic() - elapsed_s, time.monotonic()
    mean_loss = math.nan
    while (elapsed_s := time.monotonic() - started_s) < training.minutes * 60:
        share = rate_share(elapsed_s / (training.minutes * 60), training.warm_up)
        for group, peak in zip(optimiser.param_groups, peaks, strict=True):
            group["lr"] = peak * share
        loss = _step(task, optimiser)
        mean_loss = loss if math.isnan(mean_loss) else 0.98 * mean_loss + 0.02 * loss
        report(elapsed_s, mean_loss)
        if time.monotonic() - saved_s > SAVE_EVERY_S:
            _save_state(task, optimiser, elapsed_s, runs)
            saved_s = time.monotonic()


def _step(task: Task[BatchT], optimiser: torch.optim.Optimizer) -> float:
    with torch.autocast("cpu", torch.bfloat16):
        loss = task.loss(next(task.batches))
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(task.model.parameters(), 5.0)
    optimiser.step()
    task.after_step()
    return float(loss.detach())


def rate_share(progress: float, warm_up: float) -> float:
    """Share of the peak learning rate at a share of the budget: a linear rise, then a cosine down to 2 %."""
    if progress < warm_up:
        return max(progress / warm_up, 0.01)
    rest = (progress - warm_up) / (1 - warm_up)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(rest, 1.0)))


def _state_file(runs: Path, name: ModelName) -> Path:
    return runs / f"{name}.state"


def _save_state(task: Task[BatchT], optimiser: torch.optim.Optimizer, elapsed_s: float, runs: Path) -> None:
    runs.mkdir(parents=True, exist_ok=True)
    file = _state_file(runs, task.name)
    part = file.with_suffix(".part")
    torch.save({"model": task.model.state_dict(), "adam": optimiser.state_dict(), "elapsed_s": elapsed_s}, part)
    part.replace(file)


def _resume(task: Task[BatchT], optimiser: torch.optim.Optimizer, runs: Path) -> float:
    """Load what an interrupted run left; seconds already trained."""
    file = _state_file(runs, task.name)
    if not file.is_file():
        return 0.0
    state = torch.load(file, weights_only=True)
    task.model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["adam"])
    return float(state["elapsed_s"])


def _progress(console: Console) -> Progress:
    columns = ("{task.description}", BarColumn(), "{task.percentage:>3.0f}%", TimeRemainingColumn())
    return Progress(*columns, TextColumn("loss {task.fields[loss]:.3f}"), console=console, refresh_per_second=0.5)
