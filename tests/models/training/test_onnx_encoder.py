"""Encoders that are files: called like ours, and refused where they are none."""

import numpy as np
import pytest
import torch

from sluice_models.export import export_model, sample_inputs
from sluice_models.networks.two_towers import TwoTowers
from sluice_models.training import checkpoint
from sluice_models.training.onnx_encoder import EncoderFileError, OnnxEncoder, load_exported, open_session
from sluice_models.training.train_fusion import load_encoders
from tests.models.tiny_networks import IMAGE, OWN

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    encoder = TwoTowers(IMAGE, OWN).eval()
    with torch.no_grad():  # as in trained models, no two weights are equal: the exporter would store them once
        for weight in [*encoder.parameters(), *encoder.head.buffers()]:
            weight.add_(torch.randn(weight.shape) * 0.02)
    return encoder


@pytest.fixture(scope="module")
def repository(encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    for name in checkpoint.ENCODERS:
        export_model("image_encoder", encoder, folder / name / "1" / "model.onnx")
    return folder


@torch.no_grad()
def test_an_exported_encoder_says_what_it_said_in_torch(encoder, repository):
    pixels = sample_inputs("image_encoder", 3)["pixels"]
    loaded = load_exported("image_encoder", repository / "image_encoder" / "1" / "model.onnx")
    for ours, theirs in zip(encoder(pixels), loaded(pixels), strict=True):
        np.testing.assert_allclose(theirs.numpy(), ours.numpy(), atol=2e-2, rtol=1e-2)
    torch.testing.assert_close(loaded.head.scale, encoder.head.scale)


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(EncoderFileError, match="cannot be loaded"):
        open_session(tmp_path / "broken.onnx")
    with pytest.raises(EncoderFileError, match=r"gone\.onnx does not exist"):
        open_session(tmp_path / "gone.onnx")


def test_a_file_without_a_head_of_ours_is_refused(tmp_path):
    with pytest.raises(EncoderFileError, match="head cannot be read"):
        load_exported("image_encoder", tmp_path / "gone.onnx")


def test_encoders_that_were_not_trained_are_taken_as_shipped(encoder, repository, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "build_image_encoder", lambda: TwoTowers(IMAGE, OWN))
    checkpoint.save(encoder, checkpoint.checkpoint_file(tmp_path, "image_encoder"))
    kinds = [type(each) for each in load_encoders(tmp_path, repository=repository)]
    assert kinds == [OnnxEncoder, TwoTowers, OnnxEncoder]


def test_an_encoder_that_is_nowhere_is_named(tmp_path):
    with pytest.raises(EncoderFileError, match="text_encoder"):
        load_encoders(tmp_path, repository=tmp_path)
