"""The first stage from the bundle to the repository: trained, its threshold chosen, exported, described."""

from contextlib import contextmanager

import numpy as np
import onnxruntime
import pytest
import torch
import typer
from google.protobuf import text_format
from rich.console import Console
from tritonclient.grpc.model_config_pb2 import ModelConfig
from typer.testing import CliRunner

from sluice.contract import FIRST_STAGE, LABELS, THRESHOLDS_PARAMETER
from sluice.inference.fit import check_config
from sluice_models import configs, export, first_stage
from sluice_models.adopting.repository import copy_repository
from sluice_models.config import FirstStageConfig, FirstStageNetwork, Lessons, Measured, Training, digest_models
from sluice_models.data.bundle import read_texts
from sluice_models.measure import teacher
from sluice_models.measure.context import shipped_thresholds
from sluice_models.measure.first_stage import FOLDER
from sluice_models.networks.first_stage import CodedWords, FirstStage, reduce_weights
from sluice_models.recipes.text.taught import Taught
from sluice_models.training import checkpoint, clearing
from sluice_models.training.suspicion import read_suspicion

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
N_WORDS = 80_000
CONFIG = FirstStageConfig(
    FirstStageNetwork(d_word=4, d_hidden=8, n_layers=1),
    Training(n_steps=2, n_batch=16, learning_rate=1e-2, fresh_learning_rate=1e-2),
    Lessons(per_source=40, n_drawn=4, n_rough=4),
)
MEASURED = Measured("0123456789abcdef", {"en": 0.25, "zh": 0.0}, {"hate": 0.677149, "threat": 0.1 + 0.2})


def build_tiny():
    return FirstStage(CONFIG.network, CodedWords(N_WORDS, CONFIG.network.d_word))


def invoke(command, *options):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(option) for option in options])


class HarshTeacher:
    """Finds what people say."""

    def teach(self, examples):
        targets = np.stack([example.targets for example in examples])
        logits = np.where(targets == 1, 5.0, -5.0).astype(np.float32)
        rng = np.random.default_rng(0)
        ids = [rng.integers(5, 200, 6).astype(np.int32) for _ in examples]
        return Taught(ids, np.ones(len(ids), np.bool_), logits, targets, np.full(len(ids), "en"))


@pytest.fixture
def repository(tmp_path):
    for name in ("text_encoder", "fusion"):
        (tmp_path / "repository" / name / "1").mkdir(parents=True)
        (tmp_path / "repository" / name / "1" / "model.onnx").write_bytes(name.encode())
    return tmp_path / "repository"


@pytest.fixture
def tiny(monkeypatch):
    @contextmanager
    def open_harsh(repository):
        yield HarshTeacher()

    monkeypatch.setattr(teacher, "open_teacher", open_harsh)
    monkeypatch.setattr(first_stage, "load_config", lambda name, kind: CONFIG)
    words = np.random.default_rng(0).standard_normal((N_WORDS, 4)).astype(np.float32)
    monkeypatch.setattr(first_stage, "find_words", lambda *arguments: words)
    monkeypatch.setattr(checkpoint, "build_first_stage", build_tiny)
    monkeypatch.setattr(first_stage, "teach_hard_texts", lambda *arguments: {})
    monkeypatch.setattr(clearing.choose_clearing, "__defaults__", ((), 1))
    monkeypatch.setattr(clearing, "MIN_CLEARED", 0)


def test_the_commands_leave_a_first_stage_with_what_it_was_measured_on(tiny, bundle, repository, tmp_path):
    runs = tmp_path / "runs"
    trained = invoke(first_stage.main, "--bundle", bundle, "--runs", runs, "--repository", repository)
    assert trained.exit_code == 0, trained.output
    assert "cleared: {'en': 0.0}" in trained.output
    exported = invoke(export.main, "--runs", runs, "--out", repository)
    assert exported.exit_code == 0, exported.output
    described = invoke(configs.main, "--repository", repository)
    assert described.exit_code == 0, described.output
    config = text_format.Parse((repository / "first_stage" / "config.pbtxt").read_text("utf-8"), ModelConfig())
    check_config(FIRST_STAGE, config)
    assert config.parameters["languages"].string_value == "en:0.0"
    assert config.parameters["stands_for"].string_value == digest_models(repository)
    found = config.parameters[THRESHOLDS_PARAMETER].string_value.split(",")
    assert dict(pair.split(":") for pair in found) == {
        label: repr(score) for label, score in shipped_thresholds().review.items()
    }


def test_no_positive_that_is_found_is_suspected_less_than_the_threshold(tiny, bundle, repository, tmp_path):
    runs = tmp_path / "runs"
    invoke(first_stage.main, "--bundle", bundle, "--runs", runs, "--repository", repository)
    stage = checkpoint.load_first_stage(runs)
    held_out = teacher.teach_all(read_texts(bundle, "val"), runs / FOLDER, Console(quiet=True), repository)
    suspicion = read_suspicion(stage, held_out)
    found = held_out.found(teacher.review_logits(shipped_thresholds().review)).any(axis=1)
    assert suspicion[found].min() == pytest.approx(first_stage.SLACK, abs=1e-5)


def test_the_exported_stage_computes_what_torch_computes(tmp_path):
    torch.manual_seed(0)
    stage = FirstStage(CONFIG.network, torch.nn.Embedding(N_WORDS, 4)).eval()
    reduce_weights(stage, export.HALF_FROM_ELEMENTS)
    parity = export.export_model("first_stage", stage, tmp_path / "model.onnx")
    assert max(parity.differences.values()) < 1e-5
    assert parity.n_bytes < N_WORDS * (4 + 2) * 1.1
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    logits, suspicion = session.run(None, {k: v.numpy() for k, v in export.sample_inputs("first_stage", 3).items()})
    assert (logits.shape, suspicion.shape) == ((3, len(LABELS)), (3, 1))


def test_its_configuration_says_what_it_was_measured_on():
    config = text_format.Parse(configs.render_first_stage(MEASURED), ModelConfig())
    check_config(FIRST_STAGE, config)
    parameters = {name: value.string_value for name, value in config.parameters.items()}
    assert parameters["languages"] == "en:0.25,zh:0.0"
    assert parameters["thresholds"] == "hate:0.677149,threat:0.30000000000000004"
    assert parameters["stands_for"] == "0123456789abcdef"
    assert float(parameters["request_us"]) > float(parameters["cell_us"]) > 0


@pytest.mark.parametrize("replaced", ["text_encoder", "image_encoder"])
def test_a_repository_with_an_adopted_encoder_has_no_first_stage(repository, tmp_path, replaced):
    for folder in (repository, tmp_path / "out"):
        (folder / "first_stage" / "1").mkdir(parents=True)
        (folder / "first_stage" / "config.pbtxt").touch()
    copy_repository(repository, tmp_path / "out", replaced)
    assert sorted(folder.name for folder in (tmp_path / "out").iterdir()) == ["fusion", "text_encoder"]
