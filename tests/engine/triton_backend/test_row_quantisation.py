"""A row's result must not depend on its neighbours, and stay close to single precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sluice.triton_backend.row_quantisation import choose_weight_steps, quantise_file
from sluice.triton_backend.sessions import read_cpu_flags

VNNI = frozenset({"avx512_vnni"})
D_IN, D_OUT = 256, 192


def write_model(path: Path, opset: int = 17, *, half: bool = False, name: str = "") -> npt.NDArray[np.float32]:
    """Two large products of one input (`name` is of the first), a narrow one behind them; returns the first weight."""
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(D_IN, D_OUT)).astype(np.float32) for _ in range(2))
    narrow = rng.normal(size=(D_OUT, 8)).astype(np.float32)
    stored = numpy_helper.from_array(first.astype(np.float16) if half else first, "stored")
    nodes = [
        helper.make_node("Cast", ["stored"], ["first"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "first"], ["wide"], name=name),
        helper.make_node("MatMul", ["x", "second"], ["other"]),
        helper.make_node("Add", ["wide", "other"], ["sum"]),
        helper.make_node("MatMul", ["sum", "narrow"], ["small"]),
    ]
    outputs = [("wide", D_OUT), ("small", 8)]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "l", D_IN])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", "l", size]) for name, size in outputs],
        [stored, numpy_helper.from_array(second, "second"), numpy_helper.from_array(narrow, "narrow")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9), str(path))
    return first


def run(path: Path, x: npt.NDArray[np.float32]) -> list[Any]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(None, {"x": x}))


def _largest_error(seen: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> float:
    """Error by row over the row's length; by number, kernels of processors differ where large terms cancel."""
    error = np.linalg.norm(seen - expected, axis=-1)
    return float((error / (np.linalg.norm(expected, axis=-1) + 1e-9)).max())


@pytest.fixture
def rows() -> npt.NDArray[np.float32]:
    """Rows of very different sizes: one scale over all of them would round the small ones away."""
    rng = np.random.default_rng(1)
    sizes = np.array([0.01, 1.0, 100.0, 0.0], np.float32)[:, None, None]
    return (rng.normal(size=(4, 3, D_IN)) * sizes).astype(np.float32)


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("half", [False, True])
def test_large_products_are_replaced_and_close(
    tmp_path: Path, rows: npt.NDArray[np.float32], opset: int, half: bool
) -> None:
    weight = write_model(tmp_path / "model.onnx", opset, half=half)
    flags = read_cpu_flags()  # products with the steps of another processor may overflow on this one
    coarser = 127 / choose_weight_steps(flags)
    assert quantise_file(tmp_path / "model.onnx", tmp_path / "small.onnx", flags) == 2
    wide, _ = run(tmp_path / "small.onnx", rows)
    expected = rows @ weight
    assert np.abs(wide - expected).max() / np.linalg.norm(expected, axis=-1).max() < 0.01 * coarser
    assert _largest_error(wide, expected) < 0.02 * coarser
    assert not wide[3].any()


def test_values_of_attention_stay_in_single_precision(tmp_path: Path, rows: npt.NDArray[np.float32]) -> None:
    weight = write_model(tmp_path / "model.onnx", name="/layers.0/attention/value/MatMul")
    assert quantise_file(tmp_path / "model.onnx", tmp_path / "small.onnx", VNNI) == 1
    wide, _ = run(tmp_path / "small.onnx", rows)
    assert _largest_error(wide, rows @ weight) < 1e-5


def test_a_row_alone_gives_what_it_gives_among_others(tmp_path: Path, rows: npt.NDArray[np.float32]) -> None:
    write_model(tmp_path / "model.onnx")
    quantise_file(tmp_path / "model.onnx", tmp_path / "small.onnx", VNNI)
    together = run(tmp_path / "small.onnx", rows)
    alone = [run(tmp_path / "small.onnx", rows[index : index + 1]) for index in range(len(rows))]
    for output, parts in zip(together, zip(*alone, strict=True), strict=True):
        assert _largest_error(np.concatenate(parts), output) < 1e-5


def test_without_vnni_weights_keep_seven_bits(tmp_path: Path, rows: npt.NDArray[np.float32]) -> None:
    """Two products of 127 steps do not fit into 16 bits, where older processors add them."""
    write_model(tmp_path / "model.onnx")
    for name, flags in (("new", VNNI), ("old", frozenset({"avx2"}))):
        quantise_file(tmp_path / "model.onnx", tmp_path / f"{name}.onnx", flags)
    steps = {name: _largest_weight(tmp_path / f"{name}.onnx") for name in ("new", "old")}
    assert steps == {"new": 127, "old": 63}
    assert choose_weight_steps(frozenset()) == 63


def _largest_weight(path: Path) -> int:
    weights = [numpy_helper.to_array(each) for each in onnx.load(str(path)).graph.initializer]
    return max(int(np.abs(weight.astype(int)).max()) for weight in weights if weight.dtype == np.int8)
