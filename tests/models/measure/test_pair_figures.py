"""Posts whose meaning needs two parts: the fusion's figure stands beside the best that one part says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sluice.schema import LABELS
from sluice_models.measure import pair_figures
from sluice_models.measure.pair_figures import MIN_ROWS, PairRow, Pairs, report_pairs
from sluice_models.measure.report import Evaluation
from sluice_models.networks.fusion import N_KINDS

pytestmark = pytest.mark.torch
THREAT = LABELS.index("threat")
N_ROWS = 160


def logits_of(column: np.ndarray) -> np.ndarray:
    scores = np.zeros((len(column), len(LABELS)), np.float32)
    scores[:, THREAT] = column
    return scores


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch):
    """Figures of posts, given what the whole and what each kind alone says of them."""

    def make(truths: np.ndarray, whole: np.ndarray, *alone: np.ndarray) -> list[PairRow]:
        silent = np.zeros(len(truths), np.float32)
        kinds = [*alone, *[silent] * (N_KINDS - len(alone))]

        def score(fusion, posts, kind=None):
            return logits_of(whole if kind is None else kinds[kind])

        monkeypatch.setattr(pair_figures, "score_posts", score)
        targets = np.full((len(truths), len(LABELS)), np.nan, np.float32)
        targets[:, THREAT] = truths
        return report_pairs(None, SimpleNamespace(targets=torch.from_numpy(targets)))

    return make


TRUTHS = np.arange(N_ROWS) % 4 == 0
RIGHT = TRUTHS.astype(np.float32)
HALF = np.where(np.arange(N_ROWS) < N_ROWS // 2, RIGHT, 0).astype(np.float32)


def test_what_only_both_parts_say_is_the_fusions_gain(report) -> None:
    (row,) = report(TRUTHS, RIGHT, np.zeros(N_ROWS, np.float32))
    assert (row.label, row.fused) == ("threat", 1.0)
    assert row.best_part == pytest.approx(TRUTHS.mean())
    assert (row.n_positives, row.n_negatives) == (N_ROWS // 4, 3 * N_ROWS // 4)


def test_the_best_kind_counts(report) -> None:
    (row,) = report(TRUTHS, HALF, np.zeros(N_ROWS, np.float32), RIGHT)
    assert row.best_part == 1.0
    assert row.fused < 1.0


def test_the_highest_score_over_kinds_is_one_of_the_ways(report) -> None:
    """Each kind knows one half of the posts; whoever takes the louder one knows all."""
    other = np.where(np.arange(N_ROWS) < N_ROWS // 2, 0, RIGHT).astype(np.float32)
    (row,) = report(TRUTHS, RIGHT, HALF, other)
    assert row.best_part == 1.0


@pytest.mark.parametrize("n_positives", [MIN_ROWS - 1, N_ROWS - MIN_ROWS + 1])
def test_a_label_with_too_few_rows_of_a_kind_is_left_out(report, n_positives: int) -> None:
    truths = np.arange(N_ROWS) < n_positives
    assert report(truths, truths.astype(np.float32)) == []


def test_posts_without_an_annotation_are_in_no_count(report) -> None:
    truths = TRUTHS.astype(np.float32)
    truths[:8] = np.nan
    (row,) = report(truths, RIGHT)
    assert row.n_positives + row.n_negatives == N_ROWS - 8


def test_the_table_shows_both_figures() -> None:
    (table,) = Pairs().tables(Evaluation("val", {"pairs": (PairRow("threat", 20, 60, 0.91234, 0.5),)}))
    assert table.markdown().splitlines()[-1] == "| threat | 20 | 60 | 0.912 | 0.500 |"
