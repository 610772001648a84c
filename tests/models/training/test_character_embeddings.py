"""Starting vectors for characters: from what they stand next to, at the distance of other words."""

import numpy as np
import pytest
import torch

from sluice_models.training.character_embeddings import (
    REACH,
    count_neighbours,
    embed_characters,
    write_character_embeddings,
)

pytestmark = pytest.mark.torch


def test_neighbours_count_by_their_distance_and_both_ways():
    counts = count_neighbours([np.array([0, 1, 2])], 3)
    assert counts[0, 1] == counts[1, 0] == counts[1, 2] == 1.0
    assert counts[0, 2] == counts[2, 0] == 0.5
    assert not counts.diagonal().any()


def test_other_tokens_keep_their_place_and_count_for_nothing():
    counts = count_neighbours([np.array([0, -1, 1])], 2)
    assert counts.tolist() == [[0.0, 0.5], [0.5, 0.0]]


def test_what_is_out_of_reach_is_no_neighbour():
    row = np.array([0, *[-1] * REACH, 1])
    assert not count_neighbours([row], 2).any()
    assert count_neighbours([np.delete(row, 1)], 2)[0, 1] == pytest.approx(1 / REACH)


@pytest.mark.parametrize("row", [[], [0]])
def test_rows_too_short_for_neighbours_are_passed_over(row):
    assert not count_neighbours([np.array(row, np.int64)], 2).any()


def test_rows_do_not_reach_into_one_another():
    assert not count_neighbours([np.array([0]), np.array([1])], 2).any()


def test_characters_with_the_same_neighbours_get_like_vectors():
    rows = [np.array(row) for row in ([0, 2, 3], [1, 2, 3], [4, 5, 6])] * 20
    vectors = embed_characters(count_neighbours(rows, 7), 4)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(7), atol=1e-3, rtol=0)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[4]


def test_a_character_that_never_occurs_has_a_finite_vector():
    vectors = embed_characters(count_neighbours([np.array([0, 1, 2])] * 5, 5), 3)
    assert vectors.isfinite().all()
    assert vectors[4].norm() < 1.01


def test_the_same_counts_give_the_same_vectors():
    counts = count_neighbours([np.array([0, 1, 2, 3])] * 5, 4)
    assert torch.equal(embed_characters(counts, 2), embed_characters(counts, 2))


def test_placed_characters_stand_as_far_from_the_mean_as_other_words():
    embedding = torch.randn(50, 8)
    radius = (embedding - embedding.mean(dim=0)).norm(dim=1).median()
    mean = embedding.mean(dim=0)
    write_character_embeddings(embedding, [3], torch.nn.functional.normalize(torch.randn(1, 8), dim=1))
    torch.testing.assert_close((embedding[3] - mean).norm(), radius)


def test_only_the_rows_asked_for_are_written_and_training_does_not_see_it():
    embedding = torch.nn.Embedding(6, 4).weight
    before = embedding.detach().clone()
    write_character_embeddings(embedding, [4, 1], torch.eye(4)[:2])
    changed = (embedding != before).any(dim=1)
    assert changed.tolist() == [False, True, False, False, True, False]
    assert embedding.grad is None
    assert embedding.requires_grad
