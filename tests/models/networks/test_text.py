"""The text encoder and its towers: padding changes nothing, nothing looks ahead, both towers are heard."""

import pytest
import torch
from torch import nn

from sluice.schema import LABELS
from sluice_models.config import D_TOKEN, N_TOKENS, ByteNetwork, TextNetwork, WordNetwork
from sluice_models.networks.heads import MASKED
from sluice_models.networks.text import (
    BYTE_SHARE,
    Attention,
    CausalLayer,
    Pooling,
    TextEncoder,
    TransformerLayer,
    join_tokens,
    standardise,
)

pytestmark = pytest.mark.torch

N_LABELS = len(LABELS)
N_WORDS, N_PIECES, N_POSITIONS = 100, 80, 64
BYTES = ByteNetwork(d_hidden=16, d_inner=32, n_layers=2, n_heads=2, n_positions=N_POSITIONS)
WORDS = WordNetwork(d_hidden=24, d_inner=48, n_layers=2, n_heads=2, n_positions=N_POSITIONS)


@pytest.fixture(scope="module")
def text_encoder():
    torch.manual_seed(0)
    return TextEncoder(TextNetwork(WORDS, BYTES), N_WORDS, N_PIECES).eval()


def ones(*shape):
    return torch.ones(*shape, dtype=torch.long)


@torch.no_grad()
def test_outputs_have_the_shapes_of_the_design(text_encoder):
    tokens, logits, token_scores = text_encoder(ones(3, 9), ones(3, 9), ones(3, 12), ones(3, 12))
    assert tokens.shape == (3, 4, 256)
    assert logits.shape == (3, N_LABELS)
    assert token_scores.shape == (3, 9)
    assert ((token_scores >= 0) & (token_scores <= 1)).all()


def test_the_word_tower_weighs_more_than_the_byte_tower():
    by_words, by_bytes = torch.randn(2, 4, 256), torch.randn(2, 4, 256)
    together = join_tokens(by_words, by_bytes)
    assert torch.linalg.vector_norm(together - join_tokens(by_words, by_bytes * 0)) < torch.linalg.vector_norm(
        together - join_tokens(by_words * 0, by_bytes)
    )


@torch.no_grad()
def test_a_text_scores_the_same_alone_and_padded_beside_a_longer_one(text_encoder):
    ids, byte_ids = torch.randint(5, 100, (1, 6)), torch.randint(2, 80, (1, 9))
    alone = text_encoder(ids, ones(1, 6), byte_ids, ones(1, 9))
    longer, longer_bytes = torch.randint(5, 100, (2, 20)), torch.randint(2, 80, (2, 30))
    longer[0, :6], longer_bytes[0, :9] = ids[0], byte_ids[0]
    mask, byte_mask = ones(2, 20), ones(2, 30)
    mask[0, 6:], byte_mask[0, 9:] = 0, 0
    tokens, logits, token_scores = text_encoder(longer, mask, longer_bytes, byte_mask)
    torch.testing.assert_close(tokens[:1], alone[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits[:1], alone[1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(token_scores[:1, :6], alone[2], atol=1e-5, rtol=1e-4)
    assert (token_scores[0, 6:] == 0).all()


@torch.no_grad()
def test_both_towers_are_heard(text_encoder):
    plain = text_encoder(ones(1, 6), ones(1, 6), ones(1, 9), ones(1, 9))[1]
    other_words = text_encoder(ones(1, 6) * 7, ones(1, 6), ones(1, 9), ones(1, 9))[1]
    other_bytes = text_encoder(ones(1, 6), ones(1, 6), ones(1, 9) * 7, ones(1, 9))[1]
    assert (plain - other_words).abs().max() > 1e-4
    assert (plain - other_bytes).abs().max() > 1e-4


@torch.no_grad()
def test_the_byte_tower_sees_nothing_of_what_comes(text_encoder):
    pieces = torch.randint(2, 80, (1, 12))
    changed = pieces.clone()
    changed[0, 8:] = 5
    before, after = text_encoder.bytes.read(pieces), text_encoder.bytes.read(changed)
    torch.testing.assert_close(before[:, :8], after[:, :8])
    assert (before[:, 8:] - after[:, 8:]).abs().max() > 1e-3


@torch.no_grad()
def test_the_word_tower_sees_what_comes(text_encoder):
    ids = torch.randint(5, 100, (1, 12))
    changed = ids.clone()
    changed[0, -1] = 3
    scores, after = (text_encoder.words(each, ones(1, 12))[1] for each in (ids, changed))
    assert (scores[:, 0] != after[:, 0]).all()


@torch.no_grad()
@pytest.mark.parametrize("tower", ["words", "bytes"])
def test_the_order_of_a_towers_pieces_matters(text_encoder, tower):
    ids = torch.arange(5, 15)[None]
    forward, backward = (getattr(text_encoder, tower)(each, ones(1, 10)) for each in (ids, ids.flip(1)))
    tokens = (forward[0], backward[0]) if tower == "words" else (forward, backward)
    assert (tokens[0] - tokens[1]).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("length", [1, N_POSITIONS])
def test_rows_of_one_piece_and_of_the_longest_window_are_read(text_encoder, length):
    row = torch.randint(2, 80, (1, length)), ones(1, length)
    tokens, logits, scores = text_encoder(*row, *row)
    assert tokens.isfinite().all()
    assert logits.isfinite().all()
    assert scores.shape == (1, length)


@torch.no_grad()
def test_a_row_without_pieces_stays_finite(text_encoder):
    nothing = torch.zeros(1, 4, dtype=torch.long)
    tokens, logits, scores = text_encoder(nothing, nothing, nothing, nothing)
    assert tokens.isfinite().all()
    assert logits.isfinite().all()
    assert (scores == 0).all()


@torch.no_grad()
def test_rows_of_a_batch_do_not_read_one_another(text_encoder):
    ids, byte_ids = torch.randint(5, 100, (3, 7)), torch.randint(2, 80, (3, 9))
    together = text_encoder(ids, ones(3, 7), byte_ids, ones(3, 9))
    order = torch.tensor([2, 0, 1])
    shuffled = text_encoder(ids[order], ones(3, 7), byte_ids[order], ones(3, 9))
    for whole, part in zip(together, shuffled, strict=True):
        torch.testing.assert_close(part, whole[order], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_joined_tokens_have_unit_variance_whatever_the_towers_scale():
    by_words, by_bytes = torch.randn(2, N_TOKENS, D_TOKEN) * 9 + 4, torch.randn(2, N_TOKENS, D_TOKEN) * 0.1
    joined = join_tokens(by_words, by_bytes)
    torch.testing.assert_close(joined.mean(dim=-1), torch.zeros(2, N_TOKENS), atol=1e-5, rtol=0)
    torch.testing.assert_close(joined.var(dim=-1, unbiased=False), torch.ones(2, N_TOKENS), atol=1e-3, rtol=0)


@torch.no_grad()
def test_towers_that_agree_say_the_same_together():
    tokens = standardise(torch.randn(2, N_TOKENS, D_TOKEN))
    torch.testing.assert_close(join_tokens(tokens, tokens), tokens, atol=1e-4, rtol=1e-4)
    opposed = join_tokens(tokens, -tokens)
    assert 0 < BYTE_SHARE < 1  # or the byte tower would have the last word
    torch.testing.assert_close(opposed, tokens, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_attention_takes_nothing_from_masked_positions():
    torch.manual_seed(0)
    attention = Attention(8, 2)
    hidden = torch.randn(1, 5, 8)
    bias = torch.zeros(1, 1, 1, 5)
    bias[..., 3:] = MASKED
    changed = hidden.clone()
    changed[:, 3:] += 10
    torch.testing.assert_close(attention(hidden, bias)[:, :3], attention(changed, bias)[:, :3])
    torch.testing.assert_close(attention(hidden, bias)[:, :3], attention(hidden[:, :3], bias[..., :3]))


@torch.no_grad()
def test_attention_agrees_with_torchs_own():
    torch.manual_seed(0)
    ours, theirs = Attention(8, 2), nn.MultiheadAttention(8, 2, batch_first=True)
    parts = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
    theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    hidden = torch.randn(2, 5, 8)
    torch.testing.assert_close(ours(hidden, torch.zeros(1)), theirs(hidden, hidden, hidden)[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_transformer_layer_agrees_with_torchs_own():
    torch.manual_seed(0)
    ours = TransformerLayer(8, 16, 2).eval()
    theirs = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", layer_norm_eps=1e-12, batch_first=True).eval()
    parts = (ours.attention.query, ours.attention.key, ours.attention.value)
    theirs.self_attn.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
    theirs.self_attn.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.self_attn.out_proj.load_state_dict(ours.attention.out.state_dict())
    pairs = ((theirs.norm1, ours.attention_norm), (theirs.norm2, ours.norm), (theirs.linear1, ours.widen))
    for target, source in (*pairs, (theirs.linear2, ours.narrow)):
        target.load_state_dict(source.state_dict())
    hidden = torch.randn(2, 5, 8)
    torch.testing.assert_close(ours(hidden, torch.zeros(1)), theirs(hidden), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_causal_layer_adds_to_what_it_is_given():
    layer = CausalLayer(BYTES).eval()
    for part in (layer.attention.out, layer.narrow):
        nn.init.zeros_(part.weight)
        nn.init.zeros_(part.bias)
    hidden = torch.randn(1, 4, BYTES.d_hidden)
    torch.testing.assert_close(layer(hidden, torch.zeros(4, 4)), hidden)


@torch.no_grad()
def test_pooling_reads_what_its_query_points_at():
    pooling = Pooling(8)
    hidden = torch.zeros(1, 3, 8)
    hidden[0, :, 0] = torch.tensor([0.0, 60.0, 0.0])
    hidden[0, :, 1] = torch.tensor([1.0, 2.0, 3.0])
    pooling.queries.zero_()
    pooling.queries[:, 0] = 5.0
    tokens = pooling(hidden, torch.ones(1, 3))
    wanted = standardise(pooling.to_tokens(hidden[:, 1])).unsqueeze(1).expand_as(tokens)
    torch.testing.assert_close(tokens, wanted, atol=1e-4, rtol=1e-4)
    masked = pooling(hidden, torch.tensor([[1.0, 0.0, 0.0]]))
    first = standardise(pooling.to_tokens(hidden[:, 0])).unsqueeze(1).expand_as(tokens)
    torch.testing.assert_close(masked, first, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_next_piece_is_predicted_with_the_embedding_itself(text_encoder):
    pieces = text_encoder.bytes.pieces.weight
    logits = text_encoder.bytes.predict(pieces[None, 4:6] / pieces[4:6].norm(dim=1, keepdim=True))
    assert logits.shape == (1, 2, N_PIECES)
    torch.testing.assert_close(logits[0, 0, 4], pieces[4].norm())


def test_the_mask_of_the_future_is_made_anew_and_not_kept_in_checkpoints(text_encoder):
    assert not any("past_only" in name for name in text_encoder.state_dict())
    ahead = text_encoder.bytes.past_only
    assert (ahead.triu(1) + ahead.tril() == ahead).all()
    assert (ahead[0, 1:] < 0).all()
    assert (ahead.tril() == 0).all()


def test_both_towers_and_the_marks_learn_and_the_heads_directions_do_not(text_encoder):
    text_encoder.zero_grad()
    tokens, logits, scores = text_encoder(ones(1, 6), ones(1, 6), ones(1, 9), ones(1, 9))
    (logits.sum() + scores.sum() + tokens.square().sum()).backward()
    assert text_encoder.words.words.weight.grad.abs().max() > 0
    assert text_encoder.words.marks.weight.grad.abs().max() > 0
    assert text_encoder.bytes.pieces.weight.grad.abs().max() > 0
    assert text_encoder.head.evidence.weight.grad is None
    text_encoder.zero_grad()
