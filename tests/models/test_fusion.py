import pytest
import torch

from engine.schema import LABELS
from models.config import FusionNetwork, ImageNetwork
from models.encoders import ImageEncoder
from models.fusion import PRIOR_LOGIT, Fusion, start_from_encoders

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
def test_the_order_of_tokens_does_not_matter(fusion):
    tokens, mask, kind = make_post(9)
    order = torch.randperm(9)
    shuffled = fusion(tokens[:, order], mask, kind[:, order])
    torch.testing.assert_close(shuffled, fusion(tokens, mask, kind), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_same_token_counts_differently_as_another_kind(fusion):
    tokens, mask, _ = make_post(4)
    as_text, _ = fusion(tokens, mask, torch.zeros(1, 4, dtype=torch.long))
    as_image, _ = fusion(tokens, mask, torch.ones(1, 4, dtype=torch.long))
    assert not torch.allclose(as_text, as_image)


@torch.no_grad()
def test_starting_from_encoders_a_clear_single_part_scores_as_its_encoder(fusion):
    encoder = ImageEncoder(ImageNetwork(channels=(4, 4, 8, 8))).eval()
    encoder.head.evidence.bias.fill_(3.0)
    encoder.head.scale.fill_(1.5)
    start_from_encoders(fusion, [encoder, encoder, encoder])
    tokens, logits, _ = encoder(torch.randint(0, 256, (1, 3, 160, 160), dtype=torch.uint8))
    fused, _ = fusion(tokens, torch.ones(1, 4, dtype=torch.bool), torch.ones(1, 4, dtype=torch.long))
    torch.testing.assert_close(fused, logits, atol=0.1, rtol=0)
