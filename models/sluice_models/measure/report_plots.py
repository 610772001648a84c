"""Draws precision-recall curves and reliability diagrams, a PNG per modality, and the curves of training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sluice.intervals import N_BINS, Bools, Floats
from sluice.schema import LABELS
from sluice_models.measure.label_figures import MIN_POSITIVES
from sluice_models.measure.scored_split import Scored, certain_rows

CURVE_ENDING = ".curve.json"
"""Of what training leaves: mean losses of equal windows of steps."""
Draw = Callable[[Any, Floats, Bools], None]


def draw_plots(scored: Scored, out: Path) -> list[Path]:
    """Write ``pr-<modality>.png`` and ``reliability-<modality>.png``; both with a panel per label."""
    out.mkdir(parents=True, exist_ok=True)
    curves = _draw(scored, scored.probabilities, draw_curve, out / f"pr-{scored.modality}.png")
    diagrams = _draw(scored, scored.cross_fitted, draw_reliability, out / f"reliability-{scored.modality}.png")
    return [curves, diagrams]


def _draw(scored: Scored, scores: Floats, draw: Draw, file: Path) -> Path:
    from matplotlib.figure import Figure  # takes a second to load, and needs no display this way

    labels = _plotted_labels(scored)
    n_columns = min(4, len(labels)) or 1
    n_rows = -(-len(labels) // n_columns) or 1
    figure = Figure(figsize=(3 * n_columns, 3 * n_rows), layout="constrained")
    panels = list(figure.subplots(n_rows, n_columns, squeeze=False).flat)
    for panel, label in zip(panels, labels, strict=False):
        rows, index = certain_rows(scored.part, label), LABELS.index(label)
        draw(panel, scores[rows, index], scored.part.targets[rows, index] == 1)
        panel.set(title=label, xlim=(0, 1), ylim=(0, 1.02))
    for panel in panels[len(labels) :]:
        panel.set_axis_off()
    figure.savefig(file, dpi=100)
    return file


def draw_training(runs: Path, out: Path) -> Path | None:
    """Write ``training.png``, a panel per model that left a curve in `runs`; None if none did."""
    from matplotlib.figure import Figure

    curves = {file.name.removesuffix(CURVE_ENDING): file for file in sorted(runs.glob(f"*{CURVE_ENDING}"))}
    if not curves:
        return None
    out.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(4 * len(curves), 3), layout="constrained")
    for panel, (name, file) in zip(figure.subplots(1, len(curves), squeeze=False).flat, curves.items(), strict=True):
        losses = json.loads(file.read_text("utf-8"))
        panel.plot(np.arange(1, len(losses) + 1) / max(len(losses), 1), losses)
        panel.set(title=name, xlabel="share of the steps", ylabel="mean loss")
    figure.savefig(out / "training.png", dpi=100)
    return out / "training.png"


def _plotted_labels(scored: Scored) -> list[str]:
    targets = {label: scored.part.targets[certain_rows(scored.part, label), i] for i, label in enumerate(LABELS)}
    return [label for label, row in targets.items() if min((row == 1).sum(), (row == 0).sum()) >= MIN_POSITIVES]


def draw_curve(panel: Any, scores: Floats, positive: Bools) -> None:
    """Precision over recall of rows, shape = (n,), and the share of positives as a dashed line."""
    hits = np.cumsum(positive[np.argsort(-scores, kind="stable")])
    panel.step(hits / hits[-1], hits / np.arange(1, len(hits) + 1), where="post")
    panel.axhline(positive.mean(), color="grey", linestyle="--", linewidth=0.8)
    panel.set(xlabel="recall", ylabel="precision")


def draw_reliability(panel: Any, scores: Floats, positive: Bools) -> None:
    """Share of positives over the mean score of rows, shape = (n,), in bins of equal mass."""
    bins = np.array_split(np.argsort(scores, kind="stable"), min(N_BINS, len(scores)))
    panel.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=0.8)
    panel.plot([scores[rows].mean() for rows in bins], [positive[rows].mean() for rows in bins], marker="o", ms=3)
    panel.set(xlabel="score", ylabel="share of positives")
