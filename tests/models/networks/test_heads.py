"""Label heads: evidence pooled to logits, and what calibration does to them."""

import pytest
import torch

from sluice_models.config import D_TOKEN, N_TOKENS
from sluice_models.networks.heads import N_LABELS, RARE_LOGIT, LabelHead, pool_evidence, shared_head

pytestmark = pytest.mark.torch


def test_text_heads_share_their_directions():
    assert torch.equal(shared_head().evidence.weight, shared_head().evidence.weight)
    assert not shared_head().evidence.weight.requires_grad


def test_shared_directions_do_not_touch_the_generator_of_training():
    torch.manual_seed(4)
    shared_head()
    first = torch.rand(1)
    torch.manual_seed(4)
    LabelHead()
    assert torch.equal(torch.rand(1), first)


def test_pooled_evidence_is_never_above_the_largest_and_ignores_what_is_masked():
    evidence = torch.tensor([[[1.0], [3.0], [50.0]]])
    pooled = pool_evidence(evidence, torch.tensor([[1.0, 1.0, 0.0]]))
    assert 1.0 < pooled.item() <= 3.0


def test_repeating_evidence_raises_nothing():
    evidence = torch.randn(1, 4, 5)
    torch.testing.assert_close(pool_evidence(evidence.repeat(1, 3, 1)), pool_evidence(evidence))


def test_clear_evidence_wins_over_many_tokens_without_any():
    evidence = torch.full((1, 40, 1), -4.0)
    evidence[0, 7] = 9.0
    assert pool_evidence(evidence).item() == pytest.approx(9.0, abs=0.01)


def test_labels_are_pooled_each_by_itself():
    evidence = torch.randn(2, 4, N_LABELS)
    columns = [pool_evidence(evidence[..., index : index + 1]) for index in range(N_LABELS)]
    torch.testing.assert_close(pool_evidence(evidence), torch.cat(columns, dim=1))


@torch.no_grad()
def test_every_label_starts_as_rare():
    logits = LabelHead()(torch.zeros(2, N_TOKENS, D_TOKEN))
    torch.testing.assert_close(logits, torch.full((2, N_LABELS), RARE_LOGIT))


@torch.no_grad()
def test_scale_and_shift_are_applied_after_pooling_and_kept_with_the_weights():
    torch.manual_seed(0)
    head, tokens = LabelHead(), torch.randn(2, N_TOKENS, D_TOKEN)
    before = head(tokens)
    head.scale.fill_(2.0)
    head.shift.fill_(-1.0)
    torch.testing.assert_close(head(tokens), before * 2 - 1)
    again = LabelHead()
    again.load_state_dict(head.state_dict())
    torch.testing.assert_close(again(tokens), head(tokens))
    assert {name for name, _ in head.named_parameters()} == {"evidence.weight", "evidence.bias"}
