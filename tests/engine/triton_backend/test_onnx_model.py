"""The Python-backend model: batches by shape, errors per request, a quantised form in the cache.

The same model behind a real Triton is in tests/integration/test_triton.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.engine.triton_backend.stand_in import stand_in_for_triton


@pytest.fixture
def onnx_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> types.ModuleType:
    backend = stand_in_for_triton(monkeypatch)
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path / "cache"))
    from sluice.triton_backend import onnx_model

    monkeypatch.setattr(onnx_model, "backend", backend)
    return onnx_model


N_WORDS, D = 50, 256


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model that looks words up and multiplies them: an id that is too large is an error."""
    rng = np.random.default_rng(0)
    constants = {"words": (N_WORDS, D), "weight": (D, D)}
    look_up = helper.make_node("Gather", ["words", "ids"], ["found"])
    graph = helper.make_graph(
        [look_up, helper.make_node("MatMul", ["found", "weight"], ["y"])],
        "g",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "l"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", "l", D])],
        [numpy_helper.from_array(rng.normal(size=size).astype(np.float32), name) for name, size in constants.items()],
    )
    (tmp_path / "model" / "1").mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(tmp_path / "model" / "1" / "model.onnx"))
    return tmp_path / "model"


def load(module: types.ModuleType, repository: Path, quantise: str | None = None) -> Any:
    config: dict[str, Any] = {"input": [{"name": "ids"}], "output": [{"name": "y"}]}
    if quantise:
        config["parameters"] = {"quantise": {"string_value": quantise}}
    model = module.TritonPythonModel()
    version = {"model_repository": str(repository), "model_version": "1"}
    model.initialize({"model_config": json.dumps(config), **version})
    return model


def ask(*ids: list[int]) -> dict[str, npt.NDArray[np.int64]]:
    return {"ids": np.array(ids, np.int64)}


REQUESTS = [ask([1, 2]), ask([3, 4, 5]), ask([6, 7], [8, 9]), ask([1, 2, 3])]


def test_every_request_gets_its_own_rows_in_order(onnx_model: types.ModuleType, repository: Path) -> None:
    model = load(onnx_model, repository)
    alone = [model.execute([request])[0].tensors[0].array for request in REQUESTS]
    together = [response.tensors[0].array for response in model.execute(REQUESTS)]
    assert [array.shape for array in together] == [(1, 2, D), (1, 3, D), (2, 2, D), (1, 3, D)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    model.finalize()


def test_equal_shapes_run_as_one_batch(
    onnx_model: types.ModuleType, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(onnx_model, repository)
    batches: list[int] = []
    run = model._run

    def note(group: Any) -> Any:
        batches.append(len(group))
        return run(group)

    monkeypatch.setattr(model, "_run", note)
    model.execute(REQUESTS)
    assert batches == [2, 2]


def test_a_bad_request_fails_alone(onnx_model: types.ModuleType, repository: Path) -> None:
    model = load(onnx_model, repository)
    good, bad, also_good = model.execute([ask([1, 2]), ask([1, N_WORDS]), ask([3, 4])])
    assert good.error is None
    assert also_good.error is None
    assert isinstance(bad.error, RuntimeError)
    assert "\n" not in str(bad.error)
    expected = model.execute([ask([3, 4])])[0].tensors[0].array
    np.testing.assert_allclose(also_good.tensors[0].array, expected, rtol=1e-5, atol=1e-5)


def test_the_quantised_form_is_made_once(
    onnx_model: types.ModuleType, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = load(onnx_model, repository).execute(REQUESTS)
    close = load(onnx_model, repository, "rows8").execute(REQUESTS)
    (cached,) = (tmp_path / "cache" / "models").iterdir()
    made = cached.stat().st_mtime_ns
    load(onnx_model, repository, "rows8")
    assert [(path, path.stat().st_mtime_ns) for path in cached.parent.iterdir()] == [(cached, made)]
    for one, other in zip(exact, close, strict=True):
        difference = np.linalg.norm(one.tensors[0].array - other.tensors[0].array)
        assert 0 < difference < 0.02 * np.linalg.norm(one.tensors[0].array)


def test_another_model_or_processor_makes_another_form(onnx_model: types.ModuleType, repository: Path) -> None:
    model = repository / "1" / "model.onnx"
    first = onnx_model.quantise_once(model, frozenset({"avx512_vnni"}))
    assert onnx_model.quantise_once(model, frozenset({"avx512_vnni"})) == first
    assert onnx_model.quantise_once(model, frozenset({"avx2"})) != first
    changed = onnx.load(str(model))
    changed.doc_string = "changed"
    onnx.save(changed, str(model))
    assert onnx_model.quantise_once(model, frozenset({"avx512_vnni"})) != first


def test_an_unknown_quantisation_is_refused(onnx_model: types.ModuleType, repository: Path) -> None:
    with pytest.raises(ValueError, match="rows8"):
        load(onnx_model, repository, "rows4")


def test_flags_of_a_processor(onnx_model: types.ModuleType, tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: x\nflags\t\t: fpu avx2 avx512_vnni amx_tile\nflags\t\t: fpu avx\n")
    assert onnx_model.read_cpu_flags(cpuinfo) == {"avx2", "avx512_vnni", "amx_tile"}
    assert onnx_model.read_cpu_flags(tmp_path / "absent") == frozenset()


def test_it_imports_nothing_else_of_the_engine() -> None:
    """The models' processes must stay small, and start without the worker's libraries."""
    code = (
        "import sys, types; sys.modules['triton_python_backend_utils'] = types.ModuleType('x')\n"
        "import sluice.triton_backend.onnx_model\n"
        "print(sorted(name for name in sys.modules if name.startswith(('sluice', 'onnx', 'confluent', 'faust'))\n"
        "             and name.count('.') <= 2 and not name.startswith('onnxruntime')))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    modules = ["sluice", "sluice.cache", "sluice.triton_backend"]
    modules += ["sluice.triton_backend.onnx_model", "sluice.triton_backend.sessions"]
    assert found.strip() == str(modules)


def test_other_processes_go_first_as_far_as_the_configuration_says(
    onnx_model: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_way: list[int] = []
    monkeypatch.setattr(os, "nice", made_way.append)
    onnx_model.make_way({"parameters": {"niceness": {"string_value": "5"}}})
    onnx_model.make_way({"parameters": {}})
    assert made_way == [5, 0]
