"""Encoders that are ONNX files: running them, reading the heads of ours, and giving others a head of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from sluice.contract import SPECS, Axis, Size, TensorSpec, TensorType
from sluice_models.adopting.encoders import AdoptError, nothing_of
from sluice_models.config import D_TOKEN, ModelName
from sluice_models.networks.heads import N_LABELS, LabelHead
from sluice_models.plans.profiles import sample_rows
from sluice_models.training.checkpoint import ENCODERS

BYTES = ("byte_ids", "byte_mask")
"""Inputs that an adopted text encoder may lack: they are given to it, and not read."""
ORT_TYPES: dict[TensorType, str] = {
    "BOOL": "tensor(bool)",
    "UINT8": "tensor(uint8)",
    "INT64": "tensor(int64)",
    "FP32": "tensor(float)",
}
"""As ONNX Runtime calls the contract's types."""
MIN_OPSET = 13
"""From this opset on Softmax and ReduceSum are what they are today."""
FORMER = "former_"
"""Before the names of an adopted file's tensors whose places ours take."""


class OnnxEncoder:
    """An encoder in ONNX Runtime, called like ours in torch.

    Parameters
    ----------
    name : str
    file : Path
    head : LabelHead
        Gives the logits in place of the file's own, which may be the same.
    n_words : int, optional
        Ids from there on are read as the last word.
    """

    def __init__(self, name: ModelName, file: Path, head: LabelHead, n_words: int | None = None) -> None:
        self.name, self.file, self.head, self.n_words = name, file, head, n_words
        self._session = open_session(file)
        self.takes = [tensor.name for tensor in self._session.get_inputs()]

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens, logits and evidence of rows, the inputs in the contract's order."""
        arrays = {tensor: each.numpy() for tensor, each in zip(_input_names(self.name), inputs, strict=True)}
        if self.n_words is not None:
            arrays["input_ids"] = np.minimum(arrays["input_ids"], self.n_words - 1)
        known = {tensor: array for tensor, array in arrays.items() if tensor in self.takes}
        names = ["tokens", SPECS[self.name].evidence.name]
        tokens, evidence = map(torch.from_numpy, self._session.run(names, known))
        if self.name == "text_encoder":
            tokens = tokens + nothing_of(*inputs[2:]).to(tokens.dtype)
        return tokens, self.head(tokens), evidence


def open_session(file: Path) -> Any:
    """A model in ONNX Runtime; raises `AdoptError` if the file is none."""
    if not file.is_file():
        raise AdoptError(f"{file} does not exist")
    try:
        return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's kinds are its own
        raise AdoptError(f"{file} cannot be loaded: {str(error).splitlines()[0][:300]}") from error


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
        wanted = {tensor.name: ORT_TYPES[tensor.type] for tensor in SPECS[name].inputs}
        if inputs == {tensor: kind for tensor, kind in wanted.items() if tensor in inputs or tensor not in BYTES}:
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
    """Of one row; evidence is free in how finely it divides a picture or a clip."""
    fixed = tensor.sizes(size)
    if not free or isinstance(tensor.shape[0], Axis):
        return fixed
    n_axes = len(fixed) + 1
    return (fixed[0], *found.shape[2:n_axes], *[0] * (n_axes - max(found.ndim, 2)))


def _require_shape(file: Path, tensor: str, found: npt.NDArray[Any], wanted: tuple[int, ...]) -> None:
    if found.shape != wanted or found.dtype != np.float32:
        raise AdoptError(f"{file}: {tensor} is {found.dtype} of shape {found.shape}, not float32 of {wanted}")


def read_head(file: Path) -> LabelHead | None:
    """The head of an encoder that `sluice_models.export` wrote; None where the file has none such."""
    graph = onnx.load(str(file)).graph
    constants = _constants(graph)
    if not {"head.evidence.bias", "head.scale", "head.shift"} <= set(constants):
        return None
    weight = _find_weight(graph, constants)
    if weight is None or weight.shape != (D_TOKEN, N_LABELS):
        return None
    head = LabelHead()
    with torch.no_grad():
        head.evidence.weight.copy_(torch.from_numpy(weight.T.copy()))
        head.evidence.bias.copy_(torch.from_numpy(constants["head.evidence.bias"].copy()))
        head.scale.copy_(torch.from_numpy(constants["head.scale"].copy()))
        head.shift.copy_(torch.from_numpy(constants["head.shift"].copy()))
    return head


def _constants(graph: Any) -> dict[str, npt.NDArray[Any]]:
    """Weights by the name under which they are used: those stored in half precision by their Cast's."""
    found = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in found]
    return found | {node.output[0]: found[node.input[0]].astype(np.float32) for node in casts}


def _find_weight(graph: Any, constants: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any] | None:
    """The matrix of the product to which the head's bias is added: the exporter gives it no name of its own."""
    makers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if "head.evidence.bias" in node.input:
            product = next((makers[tensor] for tensor in node.input if tensor in makers), None)
            if product is not None and product.op_type == "MatMul":
                return constants.get(product.input[1])
    return None


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
    _add_tokens(graph, name)
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


def _add_tokens(graph: Any, name: ModelName) -> None:
    """The file's tokens; with zeros made of the byte pieces where the file does not take them itself."""
    takes = [tensor.name for tensor in graph.input]
    if name != "text_encoder" or set(BYTES) <= set(takes):
        graph.node.append(helper.make_node("Identity", [f"{FORMER}tokens"], ["tokens"]))
        return
    for tensor in (each for each in BYTES if each not in takes):
        graph.input.append(helper.make_tensor_value_info(tensor, TensorProto.INT64, ["batch", "n_bytes"]))
    _store(graph, "byte_none", np.array(0.0, np.float32))
    _store(graph, "byte_axes", np.array([1], np.int64))
    _store(graph, "byte_shape", np.array([-1, 1, 1], np.int64))
    steps = (
        ("Add", ["byte_ids", "byte_mask"], "byte_both"),
        ("Cast", ["byte_both"], "byte_numbers"),
        ("Mul", ["byte_numbers", "byte_none"], "byte_zeros"),
        ("ReduceSum", ["byte_zeros", "byte_axes"], "byte_row"),
        ("Reshape", ["byte_row", "byte_shape"], "byte_nothing"),
        ("Add", [f"{FORMER}tokens", "byte_nothing"], "tokens"),
    )
    for operation, inputs, output in steps:
        options: dict[str, Any] = {"to": TensorProto.FLOAT} if operation == "Cast" else {}
        graph.node.append(helper.make_node(operation, inputs, [output], **options))


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
