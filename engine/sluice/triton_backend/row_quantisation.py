"""Eight-bit matrix products with one activation scale per row, so that a row's result does not depend on its batch.

ONNX Runtime's own dynamic quantisation takes one scale over the whole batch: the same text beside other texts then
scores differently. Here every row of activations has its own scale, computed in the graph; weights have one per
column. On MiniLM this is also faster than its dynamic quantisation, and closer to single precision. Attention's value
products stay in single precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper

SMALLEST_WEIGHT = 2**15
"""Elements; smaller products gain nothing."""
SMALLEST_WIDTH = 128
"""Columns; narrow products are heads, whose precision is worth more than their time."""
KEPT = "/value/"
"""In the names of products that are left alone, as exporters name attention's values. With these in eight bits too,
self-harm loses 0.013 of its AUPRC (`sluice_models.measure.quantisation_check`); without, no label loses any."""
ACTIVATION_STEPS = 127.0
ZERO_POINT = 128
"""Activations are stored unsigned around it: the fast kernels take unsigned times signed."""
SMALLEST_SCALE = 1e-12
"""Keeps a row of zeros from dividing by zero."""
SINCE_AXES_INPUT = 18
"""From this ONNX opset on ReduceMax takes its axes as an input."""


@dataclass(frozen=True)
class RowsNames:
    """The tensors that stand for one quantised input."""

    quantised: str
    scale: str
    lead: str


class RowQuantiser:
    """Rewrites the large constant matrix products of one ONNX graph.

    Parameters
    ----------
    model : onnx.ModelProto
        Changed in place.
    weight_steps : int
        127, or 63 where the processor's eight-bit products would overflow (see `choose_weight_steps`).
    """

    def __init__(self, model: Any, weight_steps: int) -> None:
        self._graph = model.graph
        self._weight_steps = weight_steps
        self._opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        self._weights = {weight.name: weight for weight in model.graph.initializer}
        self._rows: dict[str, RowsNames] = {}
        self._nodes: list[Any] = []
        self._model = model

    def rewrite(self) -> int:
        """Replace every product that is worth it; returns how many."""
        self._add_constants()
        replaced = [self._visit(node) for node in self._graph.node]
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        self._drop_unused()
        del self._graph.value_info[:]
        if all(entry.domain != "com.microsoft" for entry in self._model.opset_import):
            self._model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        return sum(replaced)

    def _visit(self, node: Any) -> bool:
        weight = self._weights.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None or KEPT in node.name or not _is_worthwhile(weight):
            self._nodes.append(node)
            return False
        self._replace(node, numpy_helper.to_array(weight))
        return True

    def _replace(self, node: Any, weight: npt.NDArray[np.float32]) -> None:
        """Write x · W as (q · Q) · column scales · row scales, in the shape of x · W."""
        rows = self._rows_of(node.input[0], len(weight))
        name = f"rows8_{node.output[0]}"
        scales = np.maximum(np.abs(weight).max(axis=0) / self._weight_steps, SMALLEST_SCALE).astype(np.float32)
        self._constant(f"{name}_weight", np.rint(weight / scales).astype(np.int8))
        self._constant(f"{name}_scales", scales)
        self._constant(f"{name}_width", np.array([weight.shape[1]], np.int64))
        inputs = [rows.quantised, f"{name}_weight", "rows8_one", f"{name}_scales", "rows8_zero_point"]
        self._node("MatMulIntegerToFloat", inputs, f"{name}_product", domain="com.microsoft")
        self._node("Mul", [f"{name}_product", rows.scale], f"{name}_scaled")
        self._node("Concat", [rows.lead, f"{name}_width"], f"{name}_shape", axis=0)
        self._node("Reshape", [f"{name}_scaled", f"{name}_shape"], node.output[0])

    def _rows_of(self, tensor: str, n_columns: int) -> RowsNames:
        """Quantise a tensor's rows, once for all products that read it."""
        if tensor not in self._rows:
            self._rows[tensor] = self._quantise_rows(tensor, n_columns)
        return self._rows[tensor]

    def _quantise_rows(self, tensor: str, n_columns: int) -> RowsNames:
        name = f"rows8_{tensor}"
        self._constant(f"{name}_flat_shape", np.array([-1, n_columns], np.int64))
        self._node("Reshape", [tensor, f"{name}_flat_shape"], f"{name}_flat")
        self._node("Abs", [f"{name}_flat"], f"{name}_abs")
        self._reduce_max(f"{name}_abs", f"{name}_max")
        self._node("Mul", [f"{name}_max", "rows8_per_step"], f"{name}_step")
        self._node("Max", [f"{name}_step", "rows8_smallest"], f"{name}_scale")
        self._node("Shape", [f"{name}_scale"], f"{name}_n_rows")
        zero_point = numpy_helper.from_array(np.array([ZERO_POINT], np.uint8))
        self._node("ConstantOfShape", [f"{name}_n_rows"], f"{name}_zero", value=zero_point)
        inputs = [f"{name}_flat", f"{name}_scale", f"{name}_zero"]
        self._node("QuantizeLinear", inputs, f"{name}_quantised", axis=0)
        self._node("Reshape", [f"{name}_scale", "rows8_column"], f"{name}_scale_column")
        self._node("Shape", [tensor], f"{name}_lead", end=-1)
        return RowsNames(f"{name}_quantised", f"{name}_scale_column", f"{name}_lead")

    def _reduce_max(self, tensor: str, output: str) -> None:
        if self._opset >= SINCE_AXES_INPUT:
            self._node("ReduceMax", [tensor, "rows8_axes"], output, keepdims=0)
        else:
            self._node("ReduceMax", [tensor], output, axes=[1], keepdims=0)

    def _add_constants(self) -> None:
        self._constant("rows8_axes", np.array([1], np.int64))
        self._constant("rows8_per_step", np.array(1 / ACTIVATION_STEPS, np.float32))
        self._constant("rows8_smallest", np.array(SMALLEST_SCALE, np.float32))
        self._constant("rows8_one", np.array(1, np.float32))
        self._constant("rows8_zero_point", np.array(ZERO_POINT, np.uint8))
        self._constant("rows8_column", np.array([-1, 1], np.int64))

    def _constant(self, name: str, array: npt.NDArray[Any]) -> None:
        self._graph.initializer.append(numpy_helper.from_array(array, name))

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(kind, inputs, [output], name=f"{kind}_{output}", **attributes))

    def _drop_unused(self) -> None:
        used = {name for node in self._graph.node for name in node.input}
        kept = [weight for weight in self._graph.initializer if weight.name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)


def _is_worthwhile(weight: Any) -> bool:
    shape = tuple(weight.dims)
    is_matrix = len(shape) == 2 and weight.data_type == onnx.TensorProto.FLOAT
    return is_matrix and shape[1] >= SMALLEST_WIDTH and shape[0] * shape[1] >= SMALLEST_WEIGHT


def choose_weight_steps(cpu_flags: frozenset[str]) -> int:
    """Steps of a weight on each side of zero.

    Without VNNI instructions the kernels add two 8-bit products in 16 bits, which overflows with 127 steps
    (ONNX Runtime's documentation of quantisation calls the remedy ``reduce_range``).
    """
    return 127 if cpu_flags & {"avx512_vnni", "avx_vnni"} else 63


def quantise_file(source: Path, target: Path, cpu_flags: frozenset[str]) -> int:
    """Write the quantised form of an ONNX file; returns the number of products replaced.

    Parameters
    ----------
    source : Path
        Weights in single precision, or in half precision behind casts, which are folded first.
    target : Path
        Written; its folder must exist.
    cpu_flags : frozenset of str
        As in ``/proc/cpuinfo``.
    """
    model = fold_constants(source)
    n_replaced = RowQuantiser(model, choose_weight_steps(cpu_flags)).rewrite()
    onnx.save(model, str(target))
    return n_replaced


def fold_constants(source: Path) -> Any:
    """Load a model with its constants folded by ONNX Runtime's basic optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with TemporaryDirectory() as scratch:
        options.optimized_model_filepath = str(Path(scratch) / "folded.onnx")
        onnxruntime.InferenceSession(
            str(source), options, providers=["CPUExecutionProvider"], disabled_optimizers=["MatMulAddFusion"]
        )
        return onnx.load(options.optimized_model_filepath)
