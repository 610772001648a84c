"""Triton's configurations are what the contract says, and all that training derives from it follows an edit."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup
from typer import Typer
from typer.testing import CliRunner

from sluice.contract import OCR_MODELS
from sluice.inference.fit import check_config, read_languages
from sluice_models import configs
from sluice_models.config import TRITON_REPO
from tests.engine.test_contract import run_edited

pytestmark = pytest.mark.torch

SAY_MODELS = """
from sluice.contract import MODEL_NAMES, MODELS, SPECS, TEXT_ENCODER, Size
from sluice_models import config, configs, export
from sluice_models.adopting.onnx_files import _wanted_shape
from sluice_models.networks import fusion, heads
from sluice_models.plans.profiles import PROFILES, sample_rows

def find_line(start, text):
    return next(line for line in text.splitlines() if line.startswith(start))

print(json.dumps({
    "stale": len(configs.find_stale(config.TRITON_REPO)),
    "dims": [line.strip(" ,") for line in configs.render(SPECS["image_encoder"], configs.VARIANTS[0], ()).splitlines()
             if "dims" in line],
    "max_rows": {name: find_line("max_batch_size", configs.render(SPECS[name], configs.VARIANTS[0], ()))
                 for name in MODEL_NAMES},
    "profiles": {
        "words": PROFILES["text_encoder"]["input_ids"],
        "pixels": PROFILES["image_encoder"]["planes"],
        "log_mel": PROFILES["audio_encoder"]["log_mel"],
        "tokens": PROFILES["fusion"]["tokens"],
    },
    "axes": export.dynamic_axes(SPECS["image_encoder"]),
    "exported": {name: list(export.sample_inputs(name, 2)) for name in MODEL_NAMES},
    "networks": [heads.N_LABELS, config.N_TOKENS, config.D_TOKEN, fusion.D_TOKEN],
    "adopted": [tensor.sizes(Size.LARGEST) for tensor in TEXT_ENCODER.outputs],
}))
"""


def run(*options):
    app = Typer()
    app.command()(configs.main)
    return CliRunner().invoke(app, [str(option) for option in options])


def test_everything_that_training_derives_follows_an_edited_number():
    assert run_edited(SAY_MODELS) == {
        "stale": len(configs.render_all()),
        "dims": [
            '{ name: "planes" data_type: TYPE_UINT8 dims: [ 3, 144, 144 ] }',
            '{ name: "tokens" data_type: TYPE_FP32 dims: [ 3, 251 ] }',
            '{ name: "logits" data_type: TYPE_FP32 dims: [ 18 ] }',
            '{ name: "heatmap" data_type: TYPE_FP32 dims: [ 18, 9, 9 ] }',
        ],
        "max_rows": {
            "text_encoder": "max_batch_size: 33",
            "image_encoder": "max_batch_size: 33",
            "audio_encoder": "max_batch_size: 33",
            "fusion": "max_batch_size: 65",
        },
        "profiles": {
            "words": [[1, 3], [7, 31], [33, 97]],
            "pixels": [[1, 3, 144, 144], [7, 3, 144, 144], [33, 3, 144, 144]],
            "log_mel": [[1, 61, 190], [7, 61, 190], [33, 61, 190]],
            "tokens": [[1, 3, 251], [7, 5 * 3, 251], [65, 29 * 7 * 3, 251]],
        },
        "axes": {name: {"0": "batch"} for name in ("planes", "tokens", "logits", "heatmap")},
        "exported": {
            "text_encoder": ["input_ids", "attention_mask"],
            "image_encoder": ["planes"],
            "audio_encoder": ["log_mel"],
            "fusion": ["tokens", "mask", "kind"],
        },
        "networks": [18, 3, 251, 251],
        "adopted": [[3, 251], [18], [18, 97]],
    }


def test_the_configurations_in_the_repository_are_what_the_command_writes():
    result = run("--check")
    assert result.exit_code == 0, result.output
    assert "0 files changed" in result.output


@pytest.mark.parametrize("name", configs.render_all(), ids=str)
def test_triton_reads_what_is_written(name):
    config = text_format.Parse(configs.render_all()[name], ModelConfig())
    assert config.name == name.parts[0]


def test_the_languages_stand_in_the_file_beside_the_text_encoder_alone(tmp_path):
    (tmp_path / "text_encoder").mkdir()
    (tmp_path / "text_encoder" / "languages.json").write_text('["en", "th"]', "utf-8")
    assert run("--repository", tmp_path).exit_code == 0
    config = text_format.Parse((tmp_path / "text_encoder" / "config.pbtxt").read_text("utf-8"), ModelConfig())
    assert read_languages(config) == ("en", "th")
    other = text_format.Parse((tmp_path / "fusion" / "config.pbtxt").read_text("utf-8"), ModelConfig())
    assert read_languages(other) is None


@pytest.mark.parametrize("model", OCR_MODELS, ids=lambda model: model.name)
def test_what_reads_pictures_runs_on_the_cpu_and_fits_the_contract(model):
    config = text_format.Parse((TRITON_REPO / model.name / "config.pbtxt").read_text("utf-8"), ModelConfig())
    check_config(model, config)
    assert (config.backend, config.max_batch_size) == ("python", 1)
    assert [group.kind for group in config.instance_group] == [ModelInstanceGroup.KIND_CPU]


def test_a_stale_file_is_named_and_written_anew(tmp_path):
    assert run("--repository", tmp_path).exit_code == 0
    changed = tmp_path / "fusion" / "configs" / "cpu.pbtxt"
    changed.write_text(changed.read_text("utf-8").replace("256", "128"), "utf-8")
    refused = run("--repository", tmp_path, "--check")
    assert refused.exit_code == 1
    assert "cpu.pbtxt" in refused.output.replace("\n", "")
    assert "1 files changed" in run("--repository", tmp_path).output
    assert changed.read_bytes() == (TRITON_REPO / "fusion" / "configs" / "cpu.pbtxt").read_bytes()
