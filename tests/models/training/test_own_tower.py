"""Taking our own tower out of the former encoder: every weight in its place, and other files refused."""

import hashlib
import io

import numpy as np
import onnx
import pytest
import torch
import typer
from torch import nn
from typer.testing import CliRunner

from sluice.errors import SettingsError
from sluice_models.export import store_half
from sluice_models.networks.heads import N_LABELS, LabelHead
from sluice_models.networks.residual import ResidualEncoder
from sluice_models.networks.two_towers import PLACES
from sluice_models.training import own_tower as module
from sluice_models.training.own_tower import SHA_256, load_own_tower, read_own_tower
from tests.models.tiny_networks import OWN

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


class FormerEncoder(nn.Module):
    """As it was when it was exported: a batch norm behind each convolution, and heads for every label."""

    def __init__(self):
        super().__init__()
        tower = ResidualEncoder(OWN)
        for name, convolution in [each for each in tower.named_modules() if isinstance(each[1], nn.Conv2d)]:
            if name != "cells":
                tower.set_submodule(name, nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels)))
        self.stages, self.to_tokens, self.token_norm = tower.stages, tower.to_tokens, tower.token_norm
        self.cells, self.head = nn.Conv2d(OWN.channels[-1], N_LABELS, 1), LabelHead()

    def forward(self, pixels):
        planes = self.stages(pixels.to(self.cells.weight.dtype) / 127.5 - 1.0)
        tokens = ResidualEncoder.tokens(self, planes)
        return tokens, self.head(tokens), torch.sigmoid(self.cells(planes))


@pytest.fixture(scope="module")
def before():
    torch.manual_seed(0)
    encoder = FormerEncoder().eval()
    with torch.no_grad():
        for weight in [*encoder.parameters(), *encoder.head.buffers()]:
            weight.add_(torch.randn(weight.shape) * 0.05)
    return encoder


@pytest.fixture(scope="module")
def content(before):
    file = io.BytesIO()
    pixels = torch.zeros(1, 3, 160, 160, dtype=torch.uint8)
    axes = {"pixels": {0: "batch"}}
    torch.onnx.export(
        before, (pixels,), file, input_names=["pixels"], dynamic_axes=axes, opset_version=17, dynamo=False
    )
    return store_half(onnx.load_from_string(file.getvalue())).SerializeToString()


@pytest.fixture
def file(content, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHA_256", hashlib.sha256(content).hexdigest())
    (tmp_path / "earlier.onnx").write_bytes(content)
    return tmp_path / "earlier.onnx"


def invoke(monkeypatch, *arguments):
    monkeypatch.setattr(f"{module.__name__}.checkpoint.build_own_tower", lambda: ResidualEncoder(OWN))
    app = typer.Typer()
    app.command()(module.main)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@torch.no_grad()
def test_the_tower_says_what_the_former_encoder_said_of_the_learned_labels(before, file, tmp_path, monkeypatch):
    result = invoke(monkeypatch, file, "--runs", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    assert "million weights" in result.output
    tower = ResidualEncoder(OWN).eval()
    load_own_tower(tower, tmp_path / "runs")
    pixels = torch.randint(0, 256, (2, 3, 160, 160), dtype=torch.uint8)
    tokens, logits, heatmap = before(pixels)
    for ours, theirs in zip(tower(pixels), (tokens, logits[:, PLACES], heatmap[:, PLACES]), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-2, rtol=1e-2)  # half precision


def test_another_file_is_refused_and_leaves_nothing(content, tmp_path, monkeypatch):
    (tmp_path / "other.onnx").write_bytes(content)
    result = invoke(monkeypatch, tmp_path / "other.onnx", "--runs", tmp_path / "runs")
    assert result.exit_code == 1
    assert "0cd6508" in result.output
    assert not (tmp_path / "runs").exists()
    assert len(SHA_256) == 64


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"gone\.onnx cannot be read"):
        read_own_tower(tmp_path / "gone.onnx", ResidualEncoder(OWN))


def test_a_tower_that_was_not_taken_out_yet_is_asked_for(tmp_path):
    with pytest.raises(SettingsError, match="own_tower --help"):
        load_own_tower(ResidualEncoder(OWN), tmp_path)
