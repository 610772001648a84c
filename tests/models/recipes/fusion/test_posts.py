from dataclasses import replace

import numpy as np
import pytest
import torch

from sluice_models.config import D_TOKEN, N_TOKENS
from sluice_models.networks.heads import N_LABELS
from sluice_models.recipes.fusion.encoded import Encoded, one_row_each, plain_severity
from sluice_models.recipes.fusion.posts import (
    SLOTS,
    compose_posts,
    draw_presence,
    join_batches,
    join_severity,
    join_targets,
    keep_several,
    single_parts,
    slot_kinds,
)

pytestmark = pytest.mark.torch


def make_part(n_rows, seed):
    rng = np.random.default_rng(seed)
    targets = rng.choice([0.0, 1.0, np.nan], (n_rows, N_LABELS)).astype(np.float32)
    tokens = rng.standard_normal((n_rows, N_TOKENS, D_TOKEN)).astype(np.float32)
    ones, severity = np.ones_like(targets), plain_severity(targets)
    return Encoded(*one_row_each(tokens), targets.copy(), targets, ones, severity, ["made"] * n_rows)


def test_a_post_is_harmful_if_any_part_is_and_unknown_if_that_is_not_settled():
    targets = np.array([[[1.0], [np.nan]], [[0.0], [np.nan]], [[0.0], [0.0]], [[0.0], [1.0]]], np.float32)
    joined = join_targets(targets, np.array([[True, True], [True, True], [True, True], [True, False]]))
    np.testing.assert_array_equal(joined[:, 0], [1.0, np.nan, 0.0, 0.0])


def test_the_severity_of_a_post_is_its_worst_parts():
    severity = np.array([[[0.2], [0.9]], [[0.2], [np.nan]]], np.float32)
    joined = join_severity(severity, np.ones((2, 2), bool))
    np.testing.assert_array_equal(joined[:, 0], np.array([0.9, np.nan], np.float32))


def test_nearly_every_post_has_a_part():
    present = draw_presence(5000, np.random.default_rng(0))
    assert present.shape == (5000, len(SLOTS))
    n_empty = int((~present.any(axis=1)).sum())
    assert 0 < n_empty < 100


def test_batches_have_the_fusions_shapes():
    batch = next(compose_posts([make_part(20, seed) for seed in range(3)], 16))
    n_tokens = len(SLOTS) * N_TOKENS
    assert batch.tokens.shape == (16, n_tokens, D_TOKEN)
    assert batch.mask.shape == batch.kind.shape == (16, n_tokens)
    assert batch.targets.shape == batch.weights.shape == batch.severity.shape == (16, N_LABELS)
    assert sorted(batch.kind.unique().tolist()) == [0, 1, 2]


def widen(part, n_rows):
    """The same part with room for so many rows, of which its own is the first."""
    n_more = (n_rows - 1) * N_TOKENS
    tokens = np.pad(part.tokens, ((0, 0), (0, n_more), (0, 0)), constant_values=9.0)
    return replace(part, tokens=tokens, mask=np.pad(part.mask, ((0, 0), (0, n_more))))


def test_texts_of_several_rows_take_the_room_they_need_and_what_is_not_there_is_masked():
    parts = [widen(make_part(20, 0), 3), make_part(20, 1), make_part(20, 2)]
    batch = next(compose_posts(parts, 16))
    assert batch.tokens.shape == (16, (2 * 3 + 4) * N_TOKENS, D_TOKEN)
    kinds = slot_kinds(parts)
    assert (batch.kind == torch.from_numpy(kinds)).all()
    assert (batch.tokens[batch.mask].amax(dim=-1) < 9).all()


def test_single_parts_are_all_present():
    tokens, mask, kind = single_parts(make_part(5, 0), 2)
    assert tokens.shape == (5, N_TOKENS, D_TOKEN)
    assert mask.all()
    assert (kind == 2).all()


def test_joined_batches_hold_the_posts_of_both():
    posts = compose_posts([make_part(20, seed) for seed in range(3)], 5)
    first, second = next(posts), next(posts)
    joined = join_batches(first, second)
    assert len(joined.tokens) == len(joined.severity) == 10
    assert (joined.tokens[5:] == second.tokens).all()


def test_posts_of_several_kinds_are_kept():
    batch = next(compose_posts([make_part(20, seed) for seed in range(3)], 64))
    kept = keep_several(batch)
    assert 0 < len(kept.tokens) < 64
    for mask, kind in zip(kept.mask, kept.kind, strict=True):
        assert len(kind[mask].unique()) > 1
