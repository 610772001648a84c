import pytest
import torch
from torch import nn

from sluice.contract import CUES, HARMS
from sluice.schema import LABELS
from sluice_models.config import TextNetwork
from sluice_models.networks.heads import MASKED
from sluice_models.networks.text import (
    Attention,
    Pooling,
    TextEncoder,
    TransformerLayer,
    score_pieces,
    standardise,
)

pytestmark = pytest.mark.torch

N_LABELS = len(LABELS)
N_WORDS, N_POSITIONS = 100, 64
NETWORK = TextNetwork(d_hidden=24, d_inner=48, n_layers=2, n_heads=2, n_positions=N_POSITIONS)


@pytest.fixture(scope="module")
def text_encoder():
    torch.manual_seed(0)
    return TextEncoder(NETWORK, N_WORDS).eval()


def ones(*shape):
    return torch.ones(*shape, dtype=torch.long)


@torch.no_grad()
def test_outputs_have_the_shapes_of_the_contract(text_encoder):
    tokens, logits, token_scores = text_encoder(ones(3, 9), ones(3, 9))
    assert tokens.shape == (3, 4, 256)
    assert logits.shape == (3, N_LABELS)
    assert token_scores.shape == (3, N_LABELS, 9)
    assert ((token_scores >= 0) & (token_scores <= 1)).all()


@torch.no_grad()
def test_every_harm_has_its_own_evidence_and_cues_have_none():
    marks = torch.randn(2, 5, len(HARMS))
    scores = score_pieces(marks, ones(2, 5))
    torch.testing.assert_close(scores[:, : len(HARMS)], torch.sigmoid(marks).transpose(1, 2))
    assert scores.shape == (2, len(HARMS) + len(CUES), 5)
    assert (scores[:, len(HARMS) :] == 0).all()


@torch.no_grad()
def test_a_text_scores_the_same_alone_and_padded_beside_a_longer_one(text_encoder):
    ids = torch.randint(5, 100, (1, 6))
    alone = text_encoder(ids, ones(1, 6))
    longer, mask = torch.randint(5, 100, (2, 20)), ones(2, 20)
    longer[0, :6], mask[0, 6:] = ids[0], 0
    tokens, logits, token_scores = text_encoder(longer, mask)
    torch.testing.assert_close(tokens[:1], alone[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits[:1], alone[1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(token_scores[:1, :, :6], alone[2], atol=1e-5, rtol=1e-4)
    assert (token_scores[0, :, 6:] == 0).all()


@torch.no_grad()
def test_a_piece_sees_what_comes_and_what_was(text_encoder):
    ids = torch.randint(5, 100, (1, 12))
    for place, other in ((-1, 0), (0, -1)):
        changed = ids.clone()
        changed[0, place] = 3
        scores, after = (text_encoder(each, ones(1, 12))[2][0, 0, other] for each in (ids, changed))
        assert scores != after


@torch.no_grad()
def test_the_order_of_pieces_matters(text_encoder):
    ids = torch.arange(5, 15)[None]
    forward, backward = (text_encoder(each, ones(1, 10))[0] for each in (ids, ids.flip(1)))
    assert (forward - backward).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("length", [1, N_POSITIONS])
def test_rows_of_one_piece_and_of_the_longest_window_are_read(text_encoder, length):
    tokens, logits, scores = text_encoder(torch.randint(2, 80, (1, length)), ones(1, length))
    assert tokens.isfinite().all()
    assert logits.isfinite().all()
    assert scores.shape == (1, N_LABELS, length)


@torch.no_grad()
def test_a_row_without_pieces_stays_finite(text_encoder):
    nothing = torch.zeros(1, 4, dtype=torch.long)
    tokens, logits, scores = text_encoder(nothing, nothing)
    assert tokens.isfinite().all()
    assert logits.isfinite().all()
    assert (scores == 0).all()


@torch.no_grad()
def test_rows_of_a_batch_do_not_read_one_another(text_encoder):
    ids, order = torch.randint(5, 100, (3, 7)), torch.tensor([2, 0, 1])
    together, shuffled = text_encoder(ids, ones(3, 7)), text_encoder(ids[order], ones(3, 7))
    for whole, part in zip(together, shuffled, strict=True):
        torch.testing.assert_close(part, whole[order], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_tokens_have_zero_mean_and_unit_variance_whatever_their_scale():
    tokens = standardise(torch.randn(2, 4, 256) * 9 + 4)
    torch.testing.assert_close(tokens.mean(dim=-1), torch.zeros(2, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(tokens.var(dim=-1, unbiased=False), torch.ones(2, 4), atol=1e-3, rtol=0)


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
    ours = TransformerLayer(8, 16, 2, dropout=0.1).eval()
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


def test_words_layers_and_marks_learn_and_the_heads_directions_do_not(text_encoder):
    text_encoder.zero_grad()
    tokens, logits, scores = text_encoder(ones(1, 6), ones(1, 6))
    (logits.sum() + scores.sum() + tokens.square().sum()).backward()
    assert text_encoder.backbone.words.weight.grad.abs().max() > 0
    assert text_encoder.backbone.layers[1].widen.weight.grad.abs().max() > 0
    assert text_encoder.marks.weight.grad.abs().max() > 0
    assert text_encoder.head.evidence.weight.grad is None
    text_encoder.zero_grad()
