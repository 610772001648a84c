"""Sizes and CPU times of exported models; the models here are a node or two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from sluice_models.config import MODEL_NAMES
from sluice_models.measure import serving_cost
from sluice_models.measure.report import Evaluation
from sluice_models.measure.serving_cost import BATCHES, LENGTHS, CostRow, ServingCost, measure_costs

pytestmark = pytest.mark.torch


def write_model(repository: Path, name: str, shape: list, kind: int = TensorProto.FLOAT) -> Path:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "g",
        [helper.make_tensor_value_info("x", kind, shape)], [helper.make_tensor_value_info("y", kind, shape)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    file = repository / name / "1" / "model.onnx"
    file.parent.mkdir(parents=True)
    onnx.save(model, file)
    return file


@pytest.fixture(autouse=True)
def _few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_cost, "N_RUNS", 3)


def test_every_model_that_is_there_has_a_row_per_batch(tmp_path: Path) -> None:
    files: dict[str, Path] = {
        name: write_model(tmp_path, name, ["batch", 4]) for name in (MODEL_NAMES[0], MODEL_NAMES[-1])
    }
    rows = measure_costs(tmp_path)
    assert [(row.model, row.n_batch) for row in rows] == [(name, batch) for name in files for batch in BATCHES]
    assert all(row.n_bytes == files[row.model].stat().st_size for row in rows)
    assert all(0 < row.median_ms <= row.p95_ms for row in rows)


@pytest.mark.parametrize(
    ("shape", "kind", "made"),
    [
        (["batch", "length"], TensorProto.INT64, ((8, LENGTHS["length"]), np.int64)),
        (["batch", "n_tokens", 3], TensorProto.BOOL, ((8, LENGTHS["n_tokens"], 3), np.bool_)),
        (["batch", 3, 5, 5], TensorProto.UINT8, ((8, 3, 5, 5), np.uint8)),
    ],
)
def test_inputs_have_the_models_types_and_a_usual_posts_lengths(tmp_path: Path, shape, kind, made) -> None:
    session = serving_cost._open(write_model(tmp_path, "m", shape, kind))
    array = serving_cost._make_input(session.get_inputs()[0], 8)
    assert (array.shape, array.dtype) == made
    assert session.run(None, {"x": array})[0].shape == made[0]


def test_an_axis_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    session = serving_cost._open(write_model(tmp_path, "m", ["batch", "surprise"]))
    with pytest.raises(KeyError, match="surprise"):
        serving_cost._make_input(session.get_inputs()[0], 1)


def test_one_thread_computes(tmp_path: Path) -> None:
    options = serving_cost._open(write_model(tmp_path, "m", ["batch", 4])).get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def test_the_table_is_in_megabytes_and_milliseconds() -> None:
    (table,) = ServingCost().tables(Evaluation("val", {"costs": (CostRow("fusion", 1_260_000, 8, 1.234, 5.678),)}))
    assert table.markdown().splitlines()[-1] == "| fusion | 1.3 | 8 | 1.2 | 5.7 |"
