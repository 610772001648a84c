"""Checkpoints: whole or the old one, named where they are missing."""

import pickle

import pytest
import torch
from torch import nn

from sluice.errors import SettingsError
from sluice_models.config import MODEL_NAMES, AudioNetwork, FusionNetwork
from sluice_models.networks.audio import AudioEncoder
from sluice_models.networks.fusion import Fusion
from sluice_models.networks.two_towers import TwoTowers
from sluice_models.training import checkpoint
from tests.models.tiny_networks import IMAGE, OWN

pytestmark = pytest.mark.torch


class Unwritable(nn.Linear):
    """A model whose weights cannot be written."""

    def state_dict(self, *args, **kwargs):
        return {"weight": lambda: None}  # a local function cannot be pickled


def test_what_is_saved_is_loaded(tmp_path):
    first, second = nn.Linear(2, 3), nn.Linear(2, 3)
    checkpoint.save(first, checkpoint.checkpoint_file(tmp_path / "runs", "line"))
    checkpoint.load_state(second, "line", tmp_path / "runs")
    assert torch.equal(first.weight, second.weight)
    assert [file.name for file in (tmp_path / "runs").iterdir()] == ["line.pt"]


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path):
    file, model = checkpoint.checkpoint_file(tmp_path, "line"), nn.Linear(2, 3)
    checkpoint.save(model, file)
    before = file.read_bytes()
    with pytest.raises((AttributeError, pickle.PicklingError), match="pickle"):
        checkpoint.save(Unwritable(2, 3), file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_model_that_is_not_trained_yet_says_how_to_train_it(tmp_path, name):
    with pytest.raises(SettingsError, match=rf"--only {name.removesuffix('_encoder')}$"):
        checkpoint.load_state(nn.Linear(1, 1), name, tmp_path)


def test_weights_of_another_network_are_refused(tmp_path):
    checkpoint.save(nn.Linear(2, 3), checkpoint.checkpoint_file(tmp_path, "line"))
    with pytest.raises(RuntimeError, match="size mismatch"):
        checkpoint.load_state(nn.Linear(3, 3), "line", tmp_path)


@pytest.fixture
def tiny(monkeypatch):
    channels = (4, 4, 8, 8)
    monkeypatch.setattr(checkpoint, "build_text_encoder", lambda: nn.Linear(1, 1))
    monkeypatch.setattr(checkpoint, "build_image_encoder", lambda: TwoTowers(IMAGE, OWN))
    monkeypatch.setattr(checkpoint, "build_audio_encoder", lambda: AudioEncoder(AudioNetwork(channels=channels)))
    monkeypatch.setattr(checkpoint, "build_fusion", lambda: Fusion(FusionNetwork(n_heads=2, d_inner=32)))


@pytest.mark.parametrize(
    ("name", "kind"),
    list(zip(MODEL_NAMES, (nn.Linear, TwoTowers, AudioEncoder, Fusion), strict=True)),
)
def test_each_name_is_built_and_loaded_ready_to_score(tmp_path, tiny, name, kind):
    built = checkpoint.build(name)
    assert type(built) is kind
    checkpoint.save(built, checkpoint.checkpoint_file(tmp_path, name))
    loaded = checkpoint.load(name, tmp_path)
    assert not loaded.training
    assert all(torch.equal(loaded.state_dict()[key], weight) for key, weight in built.state_dict().items())
