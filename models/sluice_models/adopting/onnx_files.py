"""Encoders that are ONNX files: whether they keep the contract, and giving them a head of ours.

A text encoder may mark words for all labels together, shape = (B, L): the marks are then those of every label.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from sluice.contract import SPECS, Axis, Size, TensorSpec, TensorType
from sluice_models.adopting.encoders import AdoptError
from sluice_models.config import ModelName
from sluice_models.networks.heads import N_LABELS, LabelHead
from sluice_models.plans.profiles import sample_rows
from sluice_models.training.checkpoint import ENCODERS
from sluice_models.training.onnx_encoder import open_session

ORT_TYPES: dict[TensorType, str] = {
    "BOOL": "tensor(bool)",
    "UINT8": "tensor(uint8)",
    "INT64": "tensor(int64)",
    "FP32": "tensor(float)",
}
"""As ONNX Runtime calls the contract's types."""
MIN_OPSET = 13
"""From this opset on Softmax and ReduceSum are what they are today."""
SHARED_AXES = 2
"""Of marks that are one for all labels: the batch and the words."""
FORMER = "former_"
"""Before the names of an adopted file's tensors whose places ours take."""


def require_contract(file: Path) -> ModelName:
    """Which encoder a file is by its tensors; raises `AdoptError` naming those that do not fit."""
    session = open_session(file)
    inputs = {tensor.name: tensor.type for tensor in session.get_inputs()}
    name = _name_by_inputs(file, inputs)
    outputs = [tensor.name for tensor in session.get_outputs()]
    if lacking := [output for output in SPECS[name].output_names if output not in outputs]:
        raise AdoptError(f"{file}: the outputs {lacking} are missing; it has {outputs}")
    _probe(file, name, session, list(inputs))
    return name


def _name_by_inputs(file: Path, inputs: dict[str, str]) -> ModelName:
    for name in ENCODERS:
        if inputs == {tensor.name: ORT_TYPES[tensor.type] for tensor in SPECS[name].inputs}:
            return name
    known = "; ".join(f"{name} takes {', '.join(_input_names(name))}" for name in ENCODERS)
    raise AdoptError(f"{file} takes {inputs}, which is none of ours: {known}")


def _input_names(name: ModelName) -> list[str]:
    return [tensor.name for tensor in SPECS[name].inputs]


def _probe(file: Path, name: ModelName, session: Any, inputs: Iterable[str]) -> None:
    """Run rows of the usual and of the largest shape: a row has to give what the contract says, beside any other."""
    model = SPECS[name]
    for n_rows, size in ((1, Size.USUAL), (3, Size.LARGEST)):
        rows = sample_rows(name, inputs, n_rows, size)
        try:
            found = session.run(list(model.output_names), rows)
        except Exception as error:
            said = str(error).splitlines()[0][:300]
            raise AdoptError(f"{file} does not take {n_rows} rows of {_shapes(rows)}: {said}") from error
        for tensor, output in zip(model.outputs, found, strict=True):
            free = tensor is model.evidence
            _require_shape(file, tensor.name, output, (n_rows, *_wanted_shape(tensor, size, output, free)))


def _shapes(rows: Mapping[str, npt.NDArray[Any]]) -> str:
    return ", ".join(f"{tensor} {list(array.shape[1:])}" for tensor, array in rows.items())


def _wanted_shape(tensor: TensorSpec, size: Size, found: npt.NDArray[Any], free: bool) -> tuple[int, ...]:
    """Of one row; evidence may divide a picture or clip as finely as it likes, and be one for all labels of a text."""
    fixed = tensor.sizes(size)
    if not free:
        return fixed
    if isinstance(tensor.shape[-1], Axis):
        return fixed[1:] if is_shared(found) else fixed
    n_axes = len(fixed) + 1
    return (fixed[0], *found.shape[2:n_axes], *[0] * (n_axes - max(found.ndim, 2)))


def is_shared(marks: npt.NDArray[Any]) -> bool:
    """Whether the marks of a text's words are one for all labels: shape = (B, L), not (B, labels, L)."""
    return marks.ndim == SHARED_AXES


def _require_shape(file: Path, tensor: str, found: npt.NDArray[Any], wanted: tuple[int, ...]) -> None:
    if found.shape != wanted or found.dtype != np.float32:
        raise AdoptError(f"{file}: {tensor} is {found.dtype} of shape {found.shape}, not float32 of {wanted}")


def graft_head(file: Path, name: ModelName, head: LabelHead, n_words: int | None, out: Path) -> None:
    """Write a copy of a file whose logits come from `head`, and that takes all inputs of the contract.

    Raises
    ------
    AdoptError
        If the file's opset is older than `MIN_OPSET`.
    """
    model = onnx.load(str(file))
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset < MIN_OPSET:
        raise AdoptError(f"{file} has opset {opset}; export it with {MIN_OPSET} or later")
    graph = model.graph
    _rename(graph, {"tokens": f"{FORMER}tokens", "logits": f"{FORMER}logits"})
    if n_words is not None:
        _limit_ids(graph, n_words)
    graph.node.append(helper.make_node("Identity", [f"{FORMER}tokens"], ["tokens"]))
    _spread_marks(graph, name)
    _add_logits(graph, head)
    _order_outputs(graph, SPECS[name].output_names)
    onnx.checker.check_model(model)
    out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(out))


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Rename tensors inside a graph; its outputs keep their names."""
    for node in graph.node:
        for ends in (node.input, node.output):
            for index, tensor in enumerate(ends):
                ends[index] = names.get(tensor, tensor)


def _limit_ids(graph: Any, n_words: int) -> None:
    _rename(graph, {"input_ids": f"{FORMER}input_ids"})
    _store(graph, "last_word", np.array(n_words - 1, np.int64))
    graph.node.insert(0, helper.make_node("Min", ["input_ids", "last_word"], [f"{FORMER}input_ids"]))


def _spread_marks(graph: Any, name: ModelName) -> None:
    """Give every label the marks that are one for all, (B, L) to (B, labels, L)."""
    evidence = SPECS[name].evidence
    described = next(output for output in graph.output if output.name == evidence.name)
    n_axes = len(described.type.tensor_type.shape.dim)
    if not isinstance(evidence.shape[-1], Axis) or n_axes != SHARED_AXES:
        return
    shared = f"{FORMER}{evidence.name}"
    _rename(graph, {evidence.name: shared})
    _store(graph, "marks_axes", np.array([1], np.int64))
    _store(graph, "marks_shape", np.array([1, N_LABELS, 1], np.int64))
    graph.node.append(helper.make_node("Unsqueeze", [shared, "marks_axes"], ["marks_row"]))
    graph.node.append(helper.make_node("Expand", ["marks_row", "marks_shape"], [evidence.name]))
    described.CopyFrom(helper.make_tensor_value_info(evidence.name, TensorProto.FLOAT, ["batch", N_LABELS, "n_words"]))


def _add_logits(graph: Any, head: LabelHead) -> None:
    """`sluice_models.networks.heads.LabelHead`, operation by operation."""
    weights = {
        "evidence": head.evidence.weight.detach().t(),
        "bias": head.evidence.bias.detach(),
        "scale": head.scale,
        "shift": head.shift,
    }
    for part, weight in weights.items():
        _store(graph, f"adopted_{part}", weight.contiguous().numpy())
    _store(graph, "adopted_axes", np.array([1], np.int64))
    nodes = (
        helper.make_node("MatMul", [f"{FORMER}tokens", "adopted_evidence"], ["adopted_products"]),
        helper.make_node("Add", ["adopted_products", "adopted_bias"], ["adopted_scores"]),
        helper.make_node("Softmax", ["adopted_scores"], ["adopted_shares"], axis=1),
        helper.make_node("Mul", ["adopted_shares", "adopted_scores"], ["adopted_parts"]),
        helper.make_node("ReduceSum", ["adopted_parts", "adopted_axes"], ["adopted_pooled"], keepdims=0),
        helper.make_node("Mul", ["adopted_pooled", "adopted_scale"], ["adopted_scaled"]),
        helper.make_node("Add", ["adopted_scaled", "adopted_shift"], ["logits"]),
    )
    graph.node.extend(nodes)


def _store(graph: Any, name: str, values: npt.NDArray[Any]) -> None:
    graph.initializer.append(numpy_helper.from_array(values, name))


def _order_outputs(graph: Any, names: Iterable[str]) -> None:
    """The contract's outputs alone, in its order."""
    described = {tensor.name: tensor for tensor in graph.output}
    chosen = [described[name] for name in names]
    del graph.output[:]
    graph.output.extend(chosen)
