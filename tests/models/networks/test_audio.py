"""The audio encoder: its shapes, its segments, and what a microphone's colour does to it."""

import pytest
import torch

from sluice.contract import N_SCORED_FRAMES
from sluice.schema import LABELS
from sluice_models.config import N_TOKENS, AudioNetwork
from sluice_models.networks.audio import AudioEncoder, ConvBlock, segment_weights

pytestmark = pytest.mark.torch

N_LABELS = len(LABELS)


@pytest.fixture(scope="module")
def audio_encoder():
    torch.manual_seed(0)
    return AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8))).eval()


@torch.no_grad()
def test_outputs_have_the_shapes_of_the_design(audio_encoder):
    tokens, logits, frame_scores = audio_encoder(torch.rand(2, 64, 200) * 2 - 1)
    assert tokens.shape == (2, 4, 256)
    assert logits.shape == (2, N_LABELS)
    assert frame_scores.shape == (2, N_LABELS, 50)
    assert ((frame_scores >= 0) & (frame_scores <= 1)).all()


@torch.no_grad()
def test_a_row_does_not_depend_on_its_batch(audio_encoder):
    log_mel = torch.rand(3, 64, 200)
    torch.testing.assert_close(audio_encoder(log_mel)[1][1:2], audio_encoder(log_mel[1:2])[1], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_constant_sound_gives_finite_outputs(audio_encoder):
    assert all(output.isfinite().all() for output in audio_encoder(torch.full((1, 64, 200), -1.0)))


@torch.no_grad()
def test_a_sound_is_scored_in_the_frames_in_which_it_is(audio_encoder):
    quiet = torch.full((1, 64, 200), -1.0)
    early = quiet.clone()
    early[..., 20:40] = 1.0
    late = early.flip(2)
    scores = [audio_encoder(each)[2] for each in (quiet, early, late)]
    changed = [(each - scores[0]).abs().amax(dim=(0, 1)) for each in scores[1:]]
    assert changed[0].argmax() < N_SCORED_FRAMES // 2 <= changed[1].argmax()


@torch.no_grad()
def test_each_token_pools_its_own_quarter(audio_encoder):
    frames = torch.rand(1, 8, N_SCORED_FRAMES)
    changed = frames.clone()
    changed[..., -5:] += 3.0
    before, after = audio_encoder._attend(frames), audio_encoder._attend(changed)
    torch.testing.assert_close(before[..., :3], after[..., :3])
    assert (before[..., 3] - after[..., 3]).abs().max() > 0.1


@torch.no_grad()
def test_pooled_frames_stay_within_those_of_their_segment(audio_encoder):
    frames = torch.rand(1, 8, N_SCORED_FRAMES)
    pooled = audio_encoder._attend(frames)
    for segment in range(N_TOKENS):
        own = frames[..., audio_encoder.segments[:, segment] > 0]
        assert (pooled[..., segment] >= own.amin(dim=2) - 1e-6).all()
        assert (pooled[..., segment] <= own.amax(dim=2) + 1e-6).all()


@torch.no_grad()
def test_a_block_divides_the_sides_by_its_stride():
    block = ConvBlock(2, 6, (2, 1)).eval()
    planes = block(torch.randn(1, 2, 8, 10))
    assert planes.shape == (1, 6, 4, 10)
    assert (planes >= 0).all()


def test_segments_average_every_frame_once():
    weights = segment_weights(50, 4)
    assert weights.shape == (50, 4)
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(4))
    assert (weights > 0).sum(dim=1).eq(1).all()


@pytest.mark.parametrize(("n_frames", "n_segments"), [(50, 4), (7, 3), (4, 4)])
def test_segments_are_neighbouring_and_nearly_equal(n_frames, n_segments):
    members = segment_weights(n_frames, n_segments) > 0
    owners = members.float().argmax(dim=1)
    assert (owners.diff() >= 0).all()
    sizes = members.sum(dim=0)
    assert sizes.max() - sizes.min() <= 1
