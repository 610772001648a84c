import numpy as np
import pytest
import torch

from sluice_models.config import D_TOKEN, N_TOKENS, FusionNetwork, Training
from sluice_models.networks.fusion import N_KINDS, TOGETHER, Fusion
from sluice_models.networks.heads import N_LABELS, LabelHead
from sluice_models.recipes.fusion.encoded import OURS, Encoded, one_row_each, plain_severity
from sluice_models.recipes.fusion.pairs import PairTexts, write_lines
from sluice_models.recipes.fusion.posts import PostBatch
from sluice_models.training.checkpoint import ENCODERS
from sluice_models.training.platt import fit_calibration
from sluice_models.training.train_fusion import (
    PAIR_SHARE,
    calibrate_encoders,
    calibrate_fusion,
    fusion_loss,
    fusion_task,
    score_parts,
)

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
    ones, severity = np.ones_like(targets), plain_severity(targets)
    return Encoded(*one_row_each(tokens), targets.copy(), targets, ones, severity, ["made"] * n_rows)


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


class OnlyAHead(torch.nn.Module):
    """Stands for an encoder: calibration asks for its head alone."""

    def __init__(self):
        super().__init__()
        self.head = LabelHead()


def test_encoders_are_calibrated_on_rows_of_data_sets_and_kept(tmp_path):
    encoders, parts = [OnlyAHead() for _ in range(N_KINDS)], [make_part(100, seed) for seed in range(N_KINDS)]
    for part in parts:
        part.logits[:] = 3 * part.targets - 1 + part.tokens[:, 0, :N_LABELS]
        part.sources[60:] = [OURS] * 40
        part.targets[60:] = 1 - part.targets[60:]  # ours would turn everything around
    calibrate_encoders(encoders, parts, tmp_path)
    for name, encoder, part in zip(ENCODERS, encoders, parts, strict=True):
        scale, shift = fit_calibration(part.logits[:60], part.targets[:60], part.weights[:60])
        torch.testing.assert_close(encoder.head.scale, scale)
        torch.testing.assert_close(encoder.head.shift, shift)
        assert torch.equal(torch.load(tmp_path / f"{name}.pt")["head.scale"], encoder.head.scale)


def test_scores_do_not_depend_on_how_many_posts_are_scored_at_a_time(fusion, monkeypatch):
    part = make_part(11, 0)
    logits, severity = score_parts(fusion, part, 1)
    assert logits.shape == severity.shape == (11, N_LABELS)
    monkeypatch.setattr("sluice_models.training.train_fusion.N_CHUNK", 4)
    again = score_parts(fusion, part, 1)
    np.testing.assert_allclose(again[0], logits, atol=1e-5)
    np.testing.assert_allclose(again[1], severity, atol=1e-5)


def test_a_batch_holds_posts_and_pairs_in_their_shares_and_the_evidence_stays(fusion):
    parts = [make_part(40, seed) for seed in range(N_KINDS)]
    families = tuple(family for _, family in write_lines(40, 0, held_out=False))
    training = Training(n_steps=1, n_batch=20, learning_rate=1e-3, fresh_learning_rate=1e-3)
    task = fusion_task(fusion, parts, PairTexts(parts[0], families), training)
    batch = next(task.batches)
    assert len(batch.tokens) == 20
    kinds = [len(kind[mask].unique()) for mask, kind in zip(batch.mask, batch.kind, strict=True)]
    assert min(kinds[-round(20 * PAIR_SHARE) :]) >= 2  # the pairs stand behind the posts
    learned = {id(weight) for group in task.groups for weight in group["params"]}
    assert id(fusion.evidence.weight) not in learned
    assert id(fusion.context.weight) in learned
