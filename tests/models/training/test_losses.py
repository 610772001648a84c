"""Losses over partly annotated labels."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from sluice_models.training.losses import masked_loss, masked_mark_loss, masked_score_loss, weigh_positives

pytestmark = pytest.mark.torch
NAN = float("nan")


def make_batch(n_rows=6, n_labels=4):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n_rows, n_labels, generator=generator)
    targets = (torch.rand(n_rows, n_labels, generator=generator) > 0.5).float()
    return logits, targets


def test_labels_that_are_not_annotated_do_not_count():
    logits = torch.tensor([[0.0, 5.0]], requires_grad=True)
    loss = masked_loss(logits, torch.tensor([[1.0, NAN]]), torch.ones(1, 2), torch.ones(2))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert logits.grad[0, 1] == 0


def test_weights_scale_a_label():
    arguments = torch.zeros(1, 1), torch.zeros(1, 1)
    half = masked_loss(*arguments, torch.full((1, 1), 0.5), torch.ones(1))
    assert half.item() == pytest.approx(0.5 * math.log(2))


def test_where_all_is_known_it_is_torchs_own_summed_over_labels():
    logits, targets = make_batch()
    ours = masked_loss(logits, targets, torch.ones_like(targets), torch.ones(4))
    theirs = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1).mean()
    torch.testing.assert_close(ours, theirs)


def test_positive_weights_count_for_positives_alone():
    logits, _ = make_batch()
    weights = torch.full((4,), 3.0)
    for target, factor in ((1.0, 3.0), (0.0, 1.0)):
        targets = torch.full_like(logits, target)
        plain = masked_loss(logits, targets, torch.ones_like(logits), torch.ones(4))
        torch.testing.assert_close(masked_loss(logits, targets, torch.ones_like(logits), weights), factor * plain)


def test_rows_are_averaged_and_batches_of_any_size_weigh_alike():
    logits, targets = make_batch()
    once = masked_loss(logits, targets, torch.ones_like(logits), torch.ones(4))
    logits, targets = logits.repeat(2, 1), targets.repeat(2, 1)
    twice = masked_loss(logits, targets, torch.ones_like(logits), torch.ones(4))
    torch.testing.assert_close(once, twice)


def test_a_batch_without_any_annotation_costs_nothing_and_moves_nothing():
    logits = torch.randn(3, 4, requires_grad=True)
    loss = masked_loss(logits, torch.full((3, 4), NAN), torch.ones(3, 4), torch.ones(4))
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_half_precision_logits_give_a_loss_in_single_precision():
    logits, targets = make_batch()
    loss = masked_loss(logits.bfloat16(), targets, torch.ones_like(targets), torch.ones(4))
    assert loss.dtype == torch.float32


def test_marks_without_supervision_cost_nothing():
    assert masked_mark_loss(torch.zeros(1, 2, 3), torch.full((1, 2, 3), NAN)).item() == 0


def test_marks_are_summed_over_harms_and_averaged_over_the_pieces_asked_about():
    wanted = torch.tensor([[[0.0, 0.0], [0.0, NAN], [NAN, NAN]]])
    assert masked_mark_loss(torch.zeros(1, 3, 2), wanted).item() == pytest.approx(3 * math.log(2) / 2)


def test_what_is_marked_counts_double():
    marks = torch.zeros(1, 1, 1)
    losses = [masked_mark_loss(marks, torch.full((1, 1, 1), share)).item() for share in (1.0, 0.0)]
    assert losses[0] == pytest.approx(2 * losses[1])


def test_a_share_of_annotators_is_met_best_by_that_share():
    wanted = torch.tensor([[[0.25]]])
    losses = [masked_mark_loss(torch.logit(torch.tensor([[[score]]])), wanted).item() for score in (0.1, 0.25, 0.4)]
    assert min(losses) == losses[1]


@pytest.mark.parametrize(("mark", "wanted"), [(-80.0, 1.0), (80.0, 0.0)])
def test_marks_that_are_surely_wrong_have_a_finite_price(mark, wanted):
    marks = torch.full((1, 1, 1), mark, requires_grad=True)
    loss = masked_mark_loss(marks, torch.full((1, 1, 1), wanted))
    loss.backward()
    assert loss.isfinite()
    assert marks.grad.isfinite().all()


def test_rare_positives_weigh_more_up_to_the_limit():
    targets = np.array([[1, 1], *[[0, np.nan]] * 9, *[[0, 0]] * 7], np.float32)
    assert weigh_positives(targets, 3.0).tolist() == pytest.approx([3.0, math.sqrt(7)])


def test_frequent_positives_never_weigh_less_than_negatives():
    targets = np.array([[1]] * 9 + [[0]], np.float32)
    assert weigh_positives(targets, 4.0).tolist() == [1.0]


def test_a_label_that_nobody_annotated_weighs_one():
    assert weigh_positives(np.full((5, 1), np.nan, np.float32), 4.0).tolist() == [1.0]


def test_a_label_without_positives_has_the_weight_of_one():
    assert weigh_positives(np.zeros((9, 1), np.float32), 4.0).tolist() == [3.0]


def test_scores_that_nobody_supervises_cost_nothing():
    assert masked_score_loss(torch.rand(2, 3, 4), torch.full((2, 3, 4), NAN)).item() == 0


def test_scores_are_averaged_over_what_is_supervised():
    wanted = torch.tensor([[1.0, 0.0, NAN, NAN]])
    assert masked_score_loss(torch.tensor([[0.5, 0.5, 0.9, 0.1]]), wanted).item() == pytest.approx(math.log(2))
    assert masked_score_loss(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), wanted).item() == pytest.approx(0, abs=1e-4)
