import numpy as np
import pytest
import torch

from sluice_models.config import D_TOKEN, N_TOKENS, FusionNetwork
from sluice_models.networks.fusion import N_KINDS, TOGETHER, Fusion
from sluice_models.networks.heads import N_LABELS
from sluice_models.recipes.fusion.encoded import Encoded, plain_severity
from sluice_models.recipes.fusion.pairs import PairTexts, write_lines
from sluice_models.recipes.fusion.posts import PostBatch
from sluice_models.training.train_fusion import calibrate_fusion, fusion_loss, score_parts

pytestmark = pytest.mark.torch


@pytest.fixture
def fusion():
    torch.manual_seed(0)
    return Fusion(FusionNetwork(n_layers=1, n_heads=2, d_inner=32)).eval()


def make_batch(n_kinds, targets=0.0, severity=np.nan):
    kind = torch.arange(4)[None] % n_kinds
    rows = torch.full((1, N_LABELS), targets), torch.ones(1, N_LABELS), torch.full((1, N_LABELS), severity)
    return PostBatch(torch.randn(1, 4, D_TOKEN), torch.ones(1, 4, dtype=torch.bool), kind, *rows)


def make_part(n_rows, seed):
    rng = np.random.default_rng(seed)
    targets = rng.choice([0.0, 1.0], (n_rows, N_LABELS)).astype(np.float32)
    tokens = rng.standard_normal((n_rows, N_TOKENS, D_TOKEN)).astype(np.float32)
    return Encoded(tokens, targets.copy(), targets, np.ones_like(targets), plain_severity(targets), ["made"] * n_rows)


def test_context_has_its_price_where_kinds_come_together_and_is_free_elsewhere(fusion):
    alone, together = make_batch(1, np.nan), make_batch(2, np.nan)
    assert fusion_loss(fusion, alone) == fusion_loss(fusion, together) == 0
    torch.nn.init.constant_(fusion.context.bias, 3.0)
    assert fusion_loss(fusion, alone) == 0
    assert fusion_loss(fusion, together) > 0


def test_severity_counts_where_it_is_known(fusion):
    unknown, known = fusion_loss(fusion, make_batch(1)), fusion_loss(fusion, make_batch(1, severity=1.0))
    assert known > unknown + 1


def test_calibrating_posts_of_several_kinds_leaves_single_parts_alone(fusion):
    parts = [make_part(40, seed) for seed in range(N_KINDS)]
    before = score_parts(fusion, parts[1], 1)[0]
    families = tuple(family for _, family in write_lines(40, 0, held_out=True))
    calibrate_fusion(fusion, parts, PairTexts(parts[0], families))
    assert (fusion.shift[TOGETHER] != 0).any()
    assert (fusion.scale[:N_KINDS] == 1).all()
    np.testing.assert_array_equal(score_parts(fusion, parts[1], 1)[0], before)
