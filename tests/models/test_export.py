import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import typer
from onnx import numpy_helper
from typer.testing import CliRunner

from sluice.contract import SPECS, Size
from sluice_models import export
from sluice_models.config import (
    MODEL_NAMES,
    AudioNetwork,
    FusionNetwork,
    TextNetwork,
)
from sluice_models.networks.audio import AudioEncoder
from sluice_models.networks.fusion import Fusion
from sluice_models.networks.text import TextEncoder
from sluice_models.networks.two_towers import TwoTowers
from sluice_models.training import checkpoint
from tests.models.tiny_networks import IMAGE, OWN

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def build_small(name):
    torch.manual_seed(0)
    if name == "text_encoder":
        return TextEncoder(TextNetwork(d_hidden=24, d_inner=48, n_layers=1, n_heads=2, n_positions=64), 30_000)
    if name == "image_encoder":
        return TwoTowers(IMAGE, OWN)
    if name == "audio_encoder":
        return AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8)))
    return Fusion(FusionNetwork(n_layers=1, n_heads=2, d_inner=32))


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_exported_model_computes_what_torch_computes(name, tmp_path):
    parity = export.export_model(name, build_small(name), tmp_path / "model.onnx")
    assert set(parity.differences) == set(SPECS[name].output_names)
    assert parity.n_bytes == (tmp_path / "model.onnx").stat().st_size
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [tensor.name for tensor in graph.output] == list(SPECS[name].output_names)
    assert all(tensor.type.tensor_type.shape.dim[0].dim_param == "batch" for tensor in graph.input)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    outputs = session.run(None, {key: rows.numpy() for key, rows in export.sample_inputs(name, 3).items()})
    for spec, output in zip(SPECS[name].outputs, outputs, strict=True):
        assert output.shape == (3, *spec.sizes(Size.USUAL))


def test_large_weights_are_stored_in_half_precision(tmp_path):
    export.export_model("fusion", build_small("fusion"), tmp_path / "model.onnx")
    weights = [numpy_helper.to_array(weight) for weight in onnx.load(tmp_path / "model.onnx").graph.initializer]
    assert not [w for w in weights if w.dtype == np.float32 and w.size >= export.HALF_FROM_ELEMENTS]
    assert [w for w in weights if w.dtype == np.float16]


def test_a_model_that_differs_is_refused(tmp_path):
    model = build_small("fusion")
    export.export_model("fusion", model, tmp_path / "model.onnx")
    model.shift.fill_(1.0)
    with pytest.raises(export.ParityError, match="fusion"):
        export.check_parity("fusion", model, tmp_path / "model.onnx")


def test_the_command_prints_a_line_per_model(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "build", build_small)
    app = typer.Typer()
    app.command()(export.main)
    result = CliRunner().invoke(app, ["--untrained", "--json", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert [line["model"] for line in lines] == list(MODEL_NAMES)


def test_without_checkpoints_the_command_names_what_to_run(tmp_path):
    app = typer.Typer()
    app.command()(export.main)
    result = CliRunner().invoke(app, ["--runs", str(tmp_path), "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "python -m sluice_models.train" in result.output.replace("\n", " ")


def test_only_what_was_trained_is_exported(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "build_fusion", lambda: build_small("fusion"))
    checkpoint.save(build_small("fusion"), checkpoint.checkpoint_file(tmp_path, "fusion"))
    app = typer.Typer()
    app.command()(export.main)
    result = CliRunner().invoke(app, ["--runs", str(tmp_path), "--out", str(tmp_path / "repository")])
    assert result.exit_code == 0, result.output
    assert [folder.name for folder in (tmp_path / "repository").iterdir()] == ["fusion"]
