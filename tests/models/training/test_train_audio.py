"""Training the audio encoder on the miniature bundle, with a tiny network."""

import io

import pytest
import torch
from rich.console import Console

from sluice.errors import SettingsError
from sluice.schema import LABELS
from sluice_models.config import AudioNetwork, Training
from sluice_models.networks.audio import AudioEncoder
from sluice_models.training import train_audio as module
from sluice_models.training.train_audio import audio_loss, train_audio

pytestmark = pytest.mark.torch
TRAINING = Training(n_steps=3, n_batch=4, learning_rate=1e-3, fresh_learning_rate=1e-3)
GUNSHOT = LABELS.index("gunshot")
NAN = float("nan")


def build_tiny():
    return AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8)))


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(module, "build_audio_encoder", build_tiny)
    monkeypatch.setattr(module, "N_SOUNDS", 8)


def test_training_leaves_a_checkpoint_that_loads_and_says_what_it_composes(tmp_path, tiny, bundle, console):
    train_audio(bundle, TRAINING, tmp_path, console)
    build_tiny().load_state_dict(torch.load(tmp_path / "audio_encoder.pt"))
    assert (tmp_path / "audio_encoder.curve.json").is_file()
    assert "composing 8 windows" in console.file.getvalue()


def test_the_same_bundle_gives_the_same_weights(tmp_path, tiny, bundle, console):
    for runs in ("first", "second"):
        train_audio(bundle, TRAINING, tmp_path / runs, console)
    first, second = (torch.load(tmp_path / runs / "audio_encoder.pt") for runs in ("first", "second"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_without_a_bundle_nothing_is_left_behind(tmp_path, tiny, console):
    with pytest.raises(SettingsError, match="--bundle"):
        train_audio(tmp_path, TRAINING, tmp_path / "runs", console)
    assert not (tmp_path / "runs").exists()


class Says(torch.nn.Module):
    """Stands for an encoder whose logits and frame scores are known."""

    def __init__(self, logit, score):
        super().__init__()
        self.logit, self.score = logit, score

    def forward(self, log_mels):
        n_rows = len(log_mels)
        logits = torch.full((n_rows, len(LABELS)), self.logit)
        return None, logits, torch.full((n_rows, len(LABELS), 50), self.score)


def measure(logit, score, target, frame):
    targets, frames = torch.full((2, len(LABELS)), target), torch.full((2, len(LABELS), 50), frame)
    return audio_loss(Says(logit, score), torch.zeros(2, 64, 200), targets, frames, torch.ones(len(LABELS)))


def test_labels_and_frames_both_cost_what_is_wrong_of_them():
    assert measure(4.0, 0.5, 1.0, NAN) < measure(-4.0, 0.5, 1.0, NAN)
    assert measure(0.0, 0.9, NAN, 1.0) < measure(0.0, 0.1, NAN, 1.0)
    assert measure(4.0, 0.9, NAN, NAN) == 0


def test_the_loss_reaches_every_weight():
    torch.manual_seed(0)
    encoder = build_tiny().train()
    targets = torch.zeros(2, len(LABELS))
    targets[0, GUNSHOT] = 1
    frames = torch.zeros(2, len(LABELS), 50)
    frames[0, GUNSHOT, 10:20] = 1
    audio_loss(encoder, torch.rand(2, 64, 200), targets, frames, torch.ones(len(LABELS))).backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in encoder.parameters())
