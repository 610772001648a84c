"""``ops/gpu/prove_tensorrt.sh`` as far as it goes without a network and a GPU, and what serves the plans."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from ops.gpu.serve_plans import FILES, make_repository
from sluice.contract import MODEL_NAMES
from sluice.resources import triton_repository

SCRIPT = Path(__file__).parents[2] / "ops" / "gpu" / "prove_tensorrt.sh"


@pytest.fixture
def run(tmp_path):
    environment = {**os.environ, "SLUICE_GPU_STORE": str(tmp_path / "store")}
    return lambda *arguments: subprocess.run(
        ["bash", str(SCRIPT), *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def delivery(tmp_path):
    """Two deliveries of one piece each; the second brings the checksums."""
    contents = {"piece.000": b"first", "piece.001": b"second"}
    sums = "".join(f"{hashlib.sha256(raw).hexdigest()}  {name}\n" for name, raw in contents.items())
    for (name, raw), folder in zip(contents.items(), ("a", "b"), strict=True):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(raw)
    (tmp_path / "b" / "SHA256SUMS").write_text(sums)
    return tmp_path


@pytest.mark.parametrize("arguments", [[], ["fly"], ["pack"], ["keep"], ["keep", "a", "b"], ["prove", "a"]])
def test_wrong_usage_prints_the_three_steps(run, arguments):
    result = run(*arguments)
    assert result.returncode == 2
    for step in ("pack DIR", "keep DIR", "prove"):
        assert f"prove_tensorrt.sh {step}" in result.stderr


def test_pieces_gather_in_the_store_over_several_deliveries(run, delivery):
    assert "1 pieces in" in run("keep", delivery / "a").stderr
    assert "2 pieces in" in run("keep", delivery / "b").stderr
    stored = {file.name: file.read_bytes() for file in (delivery / "store").iterdir()}
    assert stored["piece.000"] + stored["piece.001"] == b"firstsecond"


def test_a_missing_delivery_is_an_error(run, tmp_path):
    assert run("keep", tmp_path / "nowhere").returncode != 0


@pytest.mark.parametrize("damage", ["wrong", None], ids=["damaged", "missing"])
def test_nothing_is_unpacked_from_pieces_that_are_not_whole(run, delivery, damage):
    run("keep", delivery / "a"), run("keep", delivery / "b")
    piece = delivery / "store" / "piece.000"
    piece.write_text(damage) if damage else piece.unlink()
    result = run("prove")
    assert result.returncode != 0
    assert "piece.000" in result.stderr + result.stdout
    assert not (delivery / "store" / "venv").exists()


@pytest.mark.parametrize("model", FILES)
def test_the_served_repository_has_the_same_models_not_quantised(tmp_path, model):
    source = tmp_path / "source"
    for name in MODEL_NAMES:
        version = source / name / "1"
        version.mkdir(parents=True)
        (source / name / "configs").symlink_to(triton_repository() / name / "configs")
        (source / name / "config.pbtxt").write_bytes((triton_repository() / name / "config.pbtxt").read_bytes())
        (version / FILES[model]).write_bytes(name.encode())
        (version / "model.py").write_text("shipped")
    make_repository(source, tmp_path / "served", model)
    for name in MODEL_NAMES:
        served = tmp_path / "served" / name
        assert (served / "1" / FILES[model]).read_bytes() == name.encode()
        assert "quantise" not in (served / "configs" / "cpu.pbtxt").read_text()
        runs_plan = "plan_model import TritonPythonModel" in (served / "1" / "model.py").read_text()
        assert runs_plan == (model == "plan")
