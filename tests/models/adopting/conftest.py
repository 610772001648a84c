"""What the tests of adopting share: a base repository, encoders of others, and the command."""

import pytest
import yaml
from typer import Typer
from typer.testing import CliRunner

from sluice_models import adopt
from sluice_models.adopting import labelled as adopt_rows
from sluice_models.adopting import train_heads as adopt_training
from sluice_models.recipes.image import pictures as picture_rows
from sluice_models.training import bundle_encoding, train_fusion
from tests.models.adopting.miniatures import make_tokenizer, save_bert, save_clip, save_repository


@pytest.fixture(scope="package")
def base(tmp_path_factory):
    return save_repository(tmp_path_factory.mktemp("models") / "repository")


@pytest.fixture(scope="package")
def bert(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"), make_tokenizer())


@pytest.fixture(scope="package")
def clip(tmp_path_factory):
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def few_rows(monkeypatch):
    monkeypatch.setattr(bundle_encoding, "N_TEXTS", 60)
    monkeypatch.setattr(bundle_encoding, "N_SOUNDS", 40)
    monkeypatch.setattr(bundle_encoding, "N_SYNTHETIC", 6)
    monkeypatch.setattr(adopt_rows, "N_STAND_INS", 8)
    for module in (adopt_training, train_fusion):
        monkeypatch.setattr(module, "N_CALIBRATION_POSTS", 60)
        monkeypatch.setattr(module, "N_CALIBRATION_PAIRS", 30)
    monkeypatch.setattr(picture_rows, "N_DRAWN", {"train": 8, "val": 4})


@pytest.fixture
def run(base, tmp_path, few_rows):
    app = Typer()
    app.command()(adopt.main)
    training = {"n_steps": 60, "n_batch": 16, "learning_rate": 3e-3, "fresh_learning_rate": 3e-3}
    config = dict.fromkeys(("text", "image", "head"), training) | {"fusion": {**training, "n_steps": 8, "n_batch": 32}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | {"n_texts": 60, "n_pairs": 40}))

    def run(source, *options, base=base):
        paths = ["--base", str(base), "--runs", str(tmp_path / "runs"), "--config", str(tmp_path / "config.yaml")]
        return CliRunner().invoke(app, [str(source), "--out", str(tmp_path / "out"), *paths, *map(str, options)])

    return run
