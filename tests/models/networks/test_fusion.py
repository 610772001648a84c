import pytest
import torch

from sluice.schema import LABELS
from sluice_models.config import FusionNetwork
from sluice_models.networks.fusion import PRIOR_LOGIT, TOGETHER, Fusion, pool_rows, start_from_encoders
from sluice_models.networks.heads import LabelHead

pytestmark = pytest.mark.torch


@pytest.fixture
def fusion():
    torch.manual_seed(0)
    return Fusion(FusionNetwork(n_layers=1, n_heads=2, d_inner=32)).eval()


def make_post(n_tokens, seed=0):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(1, n_tokens, 256, generator=generator)
    kind = torch.arange(n_tokens).remainder(3)[None]
    return tokens, torch.ones(1, n_tokens, dtype=torch.bool), kind


@torch.no_grad()
def test_outputs_have_a_column_per_label_and_severity_is_a_share(fusion):
    logits, severity = fusion(*make_post(8))
    assert logits.shape == severity.shape == (1, len(LABELS))
    assert ((severity >= 0) & (severity <= 1)).all()


@torch.no_grad()
def test_padding_changes_nothing(fusion):
    tokens, mask, kind = make_post(8)
    padded = torch.cat([tokens, torch.full((1, 4, 256), 30.0)], dim=1)
    wider = torch.cat([mask, torch.zeros(1, 4, dtype=torch.bool)], dim=1)
    kinds = torch.cat([kind, torch.zeros(1, 4, dtype=torch.long)], dim=1)
    torch.testing.assert_close(fusion(padded, wider, kinds), fusion(tokens, mask, kind), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_post_without_tokens_gets_the_prior(fusion):
    tokens, mask, kind = make_post(4)
    logits, severity = fusion(tokens, torch.zeros_like(mask), kind)
    torch.testing.assert_close(logits, torch.full_like(logits, PRIOR_LOGIT))
    assert severity.isfinite().all()


@torch.no_grad()
def test_the_order_of_rows_does_not_matter(fusion):
    tokens, mask, kind = make_post(12)
    order = torch.tensor([8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7])
    shuffled = fusion(tokens[:, order], mask, kind[:, order])
    torch.testing.assert_close(shuffled, fusion(tokens, mask, kind), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_same_token_counts_differently_as_another_kind(fusion):
    tokens, mask, _ = make_post(4)
    as_text, _ = fusion(tokens, mask, torch.zeros(1, 4, dtype=torch.long))
    as_image, _ = fusion(tokens, mask, torch.ones(1, 4, dtype=torch.long))
    assert not torch.allclose(as_text, as_image)


def make_head(bias, scale, shift):
    """What the fusion takes from an encoder."""
    head = LabelHead()
    with torch.no_grad():
        head.evidence.bias.fill_(bias)
        head.scale.fill_(scale)
        head.shift.fill_(shift)
    return head


@pytest.fixture
def started(fusion):
    """A fusion with calibrated heads, and with a context that says something."""
    heads = [make_head(-3.0, 1.5, 0.5), make_head(-1.0, 0.7, -0.2), make_head(2.0, 1.0, 0.0)]
    start_from_encoders(fusion, heads)
    with torch.no_grad():
        fusion.context.bias.fill_(4.0)
    return fusion, heads


@pytest.mark.parametrize("kind", [0, 1, 2])
@torch.no_grad()
def test_a_post_of_one_row_scores_exactly_as_its_encoder(started, kind):
    fusion, heads = started
    tokens, mask, _ = make_post(4)
    fused, _ = fusion(tokens, mask, torch.full((1, 4), kind))
    torch.testing.assert_close(fused, heads[kind](tokens), atol=1e-5, rtol=0)


@torch.no_grad()
def test_of_several_rows_the_largest_counts_label_by_label(started):
    fusion, heads = started
    tokens, mask, _ = make_post(32)
    fused, _ = fusion(tokens, mask, torch.zeros(1, 32, dtype=torch.long))
    rows = torch.stack([heads[0](row) for row in tokens.split(4, dim=1)])
    torch.testing.assert_close(fused, rows.amax(dim=0), atol=1e-5, rtol=0)


@torch.no_grad()
def test_harmless_rows_take_nothing_from_a_harmful_one():
    evidence = torch.full((1, 32, len(LABELS)), -5.0)
    evidence[0, 4:8] = 2.0
    assert pool_rows(evidence, torch.ones(1, 32))[0].tolist() == pytest.approx([2.0] * len(LABELS))
    gone = torch.ones(1, 32)
    gone[0, 4:8] = 0
    assert pool_rows(evidence, gone)[0].tolist() == pytest.approx([-5.0] * len(LABELS))


@torch.no_grad()
def test_rows_that_are_not_there_say_less_than_any_other_and_stay_finite_in_half_precision():
    evidence = torch.full((1, 8, len(LABELS)), -30.0)
    absent = pool_rows(evidence, torch.zeros(1, 8))
    assert (absent < evidence.amin()).all()
    assert (absent.half() * 40).isfinite().all()


@torch.no_grad()
def test_parts_that_are_masked_out_are_no_other_kind(started):
    fusion, heads = started
    tokens, mask, kind = torch.randn(1, 8, 256), torch.ones(1, 8, dtype=torch.bool), torch.arange(8)[None] // 4
    mask[:, 4:] = False
    torch.testing.assert_close(fusion(tokens, mask, kind)[0], heads[0](tokens[:, :4]), atol=1e-5, rtol=0)


@torch.no_grad()
def test_context_speaks_where_kinds_come_together(started):
    fusion, heads = started
    tokens, kind = torch.randn(1, 8, 256), torch.arange(8)[None] // 4
    fused, _ = fusion(tokens, torch.ones(1, 8, dtype=torch.bool), kind)
    apart = torch.maximum(heads[0](tokens[:, :4]), heads[1](tokens[:, 4:]))
    assert ((fused - apart - 4.0).abs() < 0.6).all()  # the context's 4, and the maximum is a smooth one


@torch.no_grad()
def test_posts_of_several_kinds_have_a_calibration_of_their_own(started):
    fusion, _ = started
    tokens, mask, kind = make_post(8)
    before, _ = fusion(tokens, mask, kind)
    alone, _ = fusion(tokens, mask, torch.zeros_like(kind))
    fusion.scale[TOGETHER] = 0.5
    fusion.shift[TOGETHER] = -1.0
    torch.testing.assert_close(fusion(tokens, mask, kind)[0], before * 0.5 - 1.0)
    torch.testing.assert_close(fusion(tokens, mask, torch.zeros_like(kind))[0], alone)


def test_the_encoders_evidence_is_not_trained(fusion):
    trained = {name for name, weight in fusion.named_parameters() if weight.requires_grad}
    assert trained
    assert not any(name.startswith("evidence") for name in trained)


def test_severity_is_learned_without_moving_the_scores(fusion):
    _, severity = fusion(*make_post(8))
    severity.sum().backward()
    assert fusion.severity.weight.grad.abs().max() > 0
    assert fusion.context.weight.grad is None
