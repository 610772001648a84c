"""Files that come with the package lie on disk, and another Python finds the package by its root."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sluice import resources
from sluice.contract import MODELS
from sluice.errors import SluiceError


@pytest.mark.parametrize("find", [resources.default_policy, resources.kafka_pom, resources.language_file])
def test_a_file_that_ships_is_there(find: Callable[[], Path]) -> None:
    assert find().is_absolute()
    assert find().stat().st_size > 0


def test_the_reader_of_the_text_encoder_ships() -> None:
    assert resources.text_file("tokenizer.json").is_file()


@pytest.mark.parametrize("model", [spec.name for spec in MODELS])
def test_every_model_of_the_contract_ships_with_its_configuration(model: str) -> None:
    folder = resources.triton_repository() / model
    assert (folder / "config.pbtxt").is_file()
    assert (folder / "configs" / "cpu.pbtxt").is_file()


def test_another_python_imports_the_package_from_its_root() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import sluice.contract; print(sluice.contract.__file__)"
    command = [sys.executable, "-I", "-S", "-c", code, str(resources.package_root())]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert Path(found) == resources.packaged_file("sluice", "contract.py")


def test_a_file_inside_a_package_is_named_by_its_parts() -> None:
    assert resources.packaged_file("sluice.resources", "policies", "default.yaml") == resources.default_policy()


def test_a_package_inside_an_archive_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("zipped_for_a_test/__init__.py", "")
    monkeypatch.syspath_prepend(str(tmp_path / "archive.zip"))
    with pytest.raises(SluiceError, match="zipped_for_a_test is not installed as files: install the wheel unpacked"):
        resources.packaged_file("zipped_for_a_test", "file")


def test_everything_that_is_offered_is_there() -> None:
    assert all(callable(getattr(resources, name)) for name in resources.__all__)
