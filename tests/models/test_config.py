"""The hyper-parameters that ship can be read, and a mistake in a file is named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from sluice.errors import SettingsError
from sluice.resources import packaged_file
from sluice_models import config
from sluice_models.config import (
    MODEL_NAMES,
    AudioConfig,
    FusionConfig,
    ImageConfig,
    TextConfig,
    Training,
    load_config,
)

KINDS = {
    "text_encoder": TextConfig,
    "image_encoder": ImageConfig,
    "audio_encoder": AudioConfig,
    "fusion": FusionConfig,
}


def trainings(loaded: msgspec.Struct) -> list[Training]:
    return [value for value in msgspec.structs.asdict(loaded).values() if isinstance(value, Training)]


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_model_has_a_file_that_can_be_read(name) -> None:
    loaded = load_config(name, KINDS[name])
    assert trainings(loaded)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_stage_can_be_trained(name) -> None:
    for training in trainings(load_config(name, KINDS[name])):
        assert training.n_steps >= 1
        assert training.n_batch >= 1
        assert 0 < training.learning_rate < 1
        assert 0 < training.fresh_learning_rate < 1
        assert 0 <= training.warm_up < 1
        assert training.max_positive_weight >= 1


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write the fusion's file with changes, and read it."""
    shipped = yaml.safe_load(packaged_file("sluice_models", "fusion.yaml").read_text("utf-8"))
    monkeypatch.setattr(config, "packaged_file", lambda _package, name: tmp_path / name)

    def load(change=lambda content: content, text: str | None = None) -> FusionConfig:
        (tmp_path / "fusion.yaml").write_text(text if text is not None else yaml.safe_dump(change(shipped)), "utf-8")
        return load_config("fusion", FusionConfig)

    return load


def test_a_file_says_what_is_trained(written) -> None:
    loaded = written(lambda content: {**content, "training": {**content["training"], "n_steps": 7}})
    assert loaded.training.n_steps == 7


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        (lambda content: {**content, "epochs": 3}, "epochs"),
        (lambda content: {**content, "training": {**content["training"], "momentum": 0.9}}, "momentum"),
        (lambda content: {**content, "training": {**content["training"], "n_steps": "many"}}, "n_steps"),
        (lambda content: {"network": content["network"]}, "training"),
        (lambda content: [], "object"),
        (lambda content: None, "object"),
    ],
)
def test_a_mistake_is_named_with_its_file(written, change, mistake: str) -> None:
    with pytest.raises(SettingsError, match=rf"fusion\.yaml: .*{mistake}"):
        written(change)


def test_what_is_no_yaml_is_named(written) -> None:
    with pytest.raises(SettingsError, match=r"fusion\.yaml: "):
        written(text="training: [1, 2")


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "packaged_file", lambda _package, name: tmp_path / name)
    with pytest.raises(SettingsError, match=r"fusion\.yaml: .*No such file"):
        load_config("fusion", FusionConfig)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_configurations_cannot_change(name) -> None:
    loaded = load_config(name, KINDS[name])
    with pytest.raises(AttributeError):
        setattr(loaded, "training", None)  # noqa: B010  (a type checker would refuse the plain way)
