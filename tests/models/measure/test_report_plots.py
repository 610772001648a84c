"""Curves and diagrams: what is drawn, from which rows."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics
from PIL import Image

from sluice.intervals import N_BINS
from sluice.schema import LABELS
from sluice_models.measure.label_figures import MIN_POSITIVES
from sluice_models.measure.report_plots import draw_curve, draw_plots, draw_reliability, draw_training
from sluice_models.measure.scored_split import Scored
from sluice_models.recipes.fusion.encoded import Encoded, one_row_each

pytestmark = pytest.mark.torch


class Panel:
    """Notes what is drawn on it."""

    def __init__(self) -> None:
        self.drawn: list[tuple] = []
        self.labels: dict[str, str] = {}

    def step(self, x, y, where: str) -> None:
        self.drawn.append((np.asarray(x), np.asarray(y), where))

    def plot(self, x, y, **style) -> None:
        self.drawn.append((np.asarray(x), np.asarray(y), style.get("marker")))

    def axhline(self, height: float, **style) -> None:
        self.base = height

    def set(self, **labels: str) -> None:
        self.labels |= labels


SCORES = np.array([0.9, 0.1, 0.8, 0.3, 0.6, 0.5], np.float32)
POSITIVE = np.array([True, False, True, False, False, True])


def test_a_curve_is_precision_over_recall() -> None:
    panel = Panel()
    draw_curve(panel, SCORES, POSITIVE)
    ((recall, precision, where),) = panel.drawn
    reference_precision, reference_recall, _ = sklearn.metrics.precision_recall_curve(POSITIVE, SCORES)
    known = {(round(r, 6), round(p, 6)) for r, p in zip(reference_recall, reference_precision, strict=True)}
    assert {(round(r, 6), round(p, 6)) for r, p in zip(recall, precision, strict=True)} <= known
    assert (recall[-1], where) == (1.0, "post")
    assert panel.base == 0.5
    assert panel.labels == {"xlabel": "recall", "ylabel": "precision"}


def test_a_diagram_has_bins_of_equal_mass_beside_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(600).astype(np.float32)
    panel = Panel()
    draw_reliability(panel, scores, rng.random(600) < scores)
    diagonal, bins = panel.drawn
    assert np.array_equal(diagonal[0], diagonal[1])
    assert len(bins[0]) == N_BINS
    assert (np.diff(bins[0]) > 0).all()
    assert np.abs(bins[0] - bins[1]).max() < 0.3


def test_fewer_rows_than_bins_are_a_bin_each() -> None:
    panel = Panel()
    draw_reliability(panel, SCORES, POSITIVE)
    assert panel.drawn[1][0].tolist() == pytest.approx(sorted(SCORES.tolist()))


def scored(n_labels: int, n_rows: int = 40) -> Scored:
    targets = np.full((n_rows, len(LABELS)), np.nan, np.float32)
    targets[:, :n_labels] = (np.arange(n_rows) % 2)[:, None]
    scores = np.random.default_rng(0).random((n_rows, len(LABELS))).astype(np.float32)
    part = Encoded(
        *one_row_each(np.zeros((n_rows, 1, 1), np.float32)),
        scores,
        targets,
        np.ones_like(targets),
        targets,
        ["one"] * n_rows,
    )
    return Scored("audio", part, scores, scores, scores)


@pytest.mark.parametrize(("n_labels", "panels"), [(0, (1, 1)), (5, (4, 2))])
def test_there_is_a_panel_for_each_label_with_rows_enough(tmp_path: Path, n_labels: int, panels: tuple) -> None:
    curves, diagrams = draw_plots(scored(n_labels), tmp_path / "new")
    assert (curves.name, diagrams.name) == ("pr-audio.png", "reliability-audio.png")
    for file in (curves, diagrams):
        with Image.open(io.BytesIO(file.read_bytes())) as picture:
            assert picture.size == (300 * panels[0], 300 * panels[1])


def test_a_label_with_too_few_rows_of_a_kind_is_left_out(tmp_path: Path) -> None:
    few = scored(1)
    few.part.targets[:, 0] = np.arange(40) < MIN_POSITIVES - 1
    few.part.targets[:, 1] = np.arange(40) < MIN_POSITIVES
    titles: list[int] = []

    def draw(panel, scores, positive) -> None:
        titles.append(int(positive.sum()))

    from sluice_models.measure import report_plots

    report_plots._draw(few, few.probabilities, draw, tmp_path / "a.png")
    assert titles == [MIN_POSITIVES]


@pytest.mark.parametrize(("names", "n_panels"), [(["fusion"], 1), (["fusion", "words"], 2)])
def test_every_model_that_left_a_curve_has_a_panel(tmp_path: Path, names: list[str], n_panels: int) -> None:
    for name in names:
        (tmp_path / f"{name}.curve.json").write_text("[0.9, 0.5, 0.4]")
    file = draw_training(tmp_path, tmp_path / "out")
    assert file is not None
    with Image.open(file) as picture:
        assert picture.size == (400 * n_panels, 300)


def test_other_files_are_no_curves(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    assert draw_training(tmp_path, tmp_path / "out") is None
    assert not (tmp_path / "out").exists()
