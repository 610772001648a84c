import pytest
import torch

from sluice.schema import LABELS
from sluice_models.config import AudioNetwork, ByteNetwork, ImageNetwork, TextNetwork, WordNetwork
from sluice_models.networks.audio import AudioEncoder, segment_weights
from sluice_models.networks.heads import pool_evidence, shared_head
from sluice_models.networks.image import ImageEncoder
from sluice_models.networks.text import TextEncoder, join_tokens

pytestmark = pytest.mark.torch

N_LABELS = len(LABELS)


@pytest.fixture(scope="module")
def text_encoder():
    torch.manual_seed(0)
    words = WordNetwork(d_hidden=24, d_inner=48, n_layers=2, n_heads=2, n_positions=64)
    pieces = ByteNetwork(d_hidden=16, d_inner=32, n_layers=2, n_heads=2, n_positions=64)
    return TextEncoder(TextNetwork(words, pieces), 100, 80).eval()


def ones(*shape):
    return torch.ones(*shape, dtype=torch.long)


@pytest.fixture(scope="module")
def image_encoder():
    torch.manual_seed(0)
    return ImageEncoder(ImageNetwork(channels=(4, 4, 8, 8))).eval()


@pytest.fixture(scope="module")
def audio_encoder():
    torch.manual_seed(0)
    return AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8))).eval()


@torch.no_grad()
def test_text_outputs_have_the_shapes_of_the_design(text_encoder):
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


def test_text_heads_share_their_directions():
    assert torch.equal(shared_head().evidence.weight, shared_head().evidence.weight)
    assert not shared_head().evidence.weight.requires_grad


@torch.no_grad()
def test_image_outputs_have_the_shapes_of_the_design(image_encoder):
    tokens, logits, heatmap = image_encoder(torch.randint(0, 256, (2, 3, 160, 160), dtype=torch.uint8))
    assert tokens.shape == (2, 4, 256)
    assert logits.shape == (2, N_LABELS)
    assert heatmap.shape == (2, N_LABELS, 10, 10)
    assert ((heatmap >= 0) & (heatmap <= 1)).all()


@torch.no_grad()
def test_audio_outputs_have_the_shapes_of_the_design(audio_encoder):
    tokens, logits, frame_scores = audio_encoder(torch.rand(2, 64, 200) * 2 - 1)
    assert tokens.shape == (2, 4, 256)
    assert logits.shape == (2, N_LABELS)
    assert frame_scores.shape == (2, N_LABELS, 50)
    assert ((frame_scores >= 0) & (frame_scores <= 1)).all()


@torch.no_grad()
def test_a_row_does_not_depend_on_its_batch(image_encoder, audio_encoder):
    pixels = torch.randint(0, 256, (3, 3, 160, 160), dtype=torch.uint8)
    log_mel = torch.rand(3, 64, 200)
    for encoder, rows in ((image_encoder, pixels), (audio_encoder, log_mel)):
        torch.testing.assert_close(encoder(rows)[1][1:2], encoder(rows[1:2])[1], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_constant_sound_gives_finite_outputs(audio_encoder):
    assert all(output.isfinite().all() for output in audio_encoder(torch.full((1, 64, 200), -1.0)))


def test_pooled_evidence_is_never_above_the_largest_and_ignores_what_is_masked():
    evidence = torch.tensor([[[1.0], [3.0], [50.0]]])
    pooled = pool_evidence(evidence, torch.tensor([[1.0, 1.0, 0.0]]))
    assert 1.0 < pooled.item() <= 3.0


def test_repeating_evidence_raises_nothing():
    evidence = torch.randn(1, 4, 5)
    torch.testing.assert_close(pool_evidence(evidence.repeat(1, 3, 1)), pool_evidence(evidence))


def test_segments_average_every_frame_once():
    weights = segment_weights(50, 4)
    assert weights.shape == (50, 4)
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(4))
    assert (weights > 0).sum(dim=1).eq(1).all()
