"""Encoders that are ONNX files, called like ours in torch; and the heads of those that `sluice_models.export` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import Tensor

from sluice.contract import SPECS
from sluice.errors import SluiceError
from sluice_models.config import D_TOKEN, ModelName
from sluice_models.networks.heads import N_LABELS, LabelHead


class EncoderFileError(SluiceError):
    """A file is no encoder that can be used here."""


class OnnxEncoder:
    """An encoder in ONNX Runtime; its weights stay as they are.

    Parameters
    ----------
    name : str
    file : Path
    head : LabelHead
        Gives the logits in place of the file's own, which may be the same.
    n_words : int, optional
        Ids from there on are read as the last word.

    Raises
    ------
    EncoderFileError
        If the file cannot be loaded.
    """

    def __init__(self, name: ModelName, file: Path, head: LabelHead, n_words: int | None = None) -> None:
        self.name, self.file, self.head, self.n_words = name, file, head, n_words
        self._session = open_session(file)
        self.takes = [tensor.name for tensor in self._session.get_inputs()]

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens, logits and evidence of rows, the inputs in the contract's order."""
        names = [tensor.name for tensor in SPECS[self.name].inputs]
        arrays = {tensor: each.numpy() for tensor, each in zip(names, inputs, strict=True)}
        if self.n_words is not None:
            arrays["input_ids"] = np.minimum(arrays["input_ids"], self.n_words - 1)
        outputs = ["tokens", SPECS[self.name].evidence.name]
        tokens, evidence = map(torch.from_numpy, self._session.run(outputs, arrays))
        return tokens, self.head(tokens), evidence


def open_session(file: Path) -> Any:
    """A model in ONNX Runtime, on as many threads as torch has; raises `EncoderFileError` if the file is none."""
    if not file.is_file():
        raise EncoderFileError(f"{file} does not exist")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's kinds are its own
        raise EncoderFileError(f"{file} cannot be loaded: {str(error).splitlines()[0][:300]}") from error


def load_exported(name: ModelName, file: Path) -> OnnxEncoder:
    """An encoder with its own head; raises `EncoderFileError` if `sluice_models.export` did not write it."""
    head = read_head(file) if file.is_file() else None
    if head is None:
        raise EncoderFileError(f"{file} was not written by sluice_models.export: its head cannot be read")
    return OnnxEncoder(name, file, head)


def read_head(file: Path) -> LabelHead | None:
    """The head of an encoder that `sluice_models.export` wrote; None where the file has none such."""
    graph = onnx.load(str(file)).graph
    constants = read_constants(graph)
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


def read_constants(graph: Any) -> dict[str, npt.NDArray[Any]]:
    """Weights in the shape in which they are stored, by the name under which they are used.

    Those in half precision come as single, by the name of the Cast behind them.
    """
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
