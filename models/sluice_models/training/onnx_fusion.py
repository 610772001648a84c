"""The shipped fusion back in torch: what `sluice_models.export` wrote, without its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch

from sluice_models.config import TRITON_REPO
from sluice_models.networks.fusion import N_KINDS, Fusion
from sluice_models.networks.heads import N_LABELS
from sluice_models.training.checkpoint import build_fusion, checkpoint_file, load_fusion
from sluice_models.training.onnx_encoder import EncoderFileError, read_constants

Constants = dict[str, npt.NDArray[Any]]
_PRODUCT = "/MatMul_output_0"
_PARTS = {(N_KINDS, N_LABELS): slice(N_KINDS), (N_LABELS,): N_KINDS}
"""Which rows of the calibration a constant of a shape holds: the kinds' own, or those of kinds together."""


def find_fusion(runs: Path, repository: Path = TRITON_REPO) -> Fusion:
    """The fusion trained in `runs`, or else the shipped one; raises `EncoderFileError` if it is in neither place."""
    if checkpoint_file(runs, "fusion").is_file():
        return load_fusion(runs)
    return load_exported_fusion(repository / "fusion" / "1" / "model.onnx")


def load_exported_fusion(file: Path) -> Fusion:
    """The fusion in a file, in evaluation mode; raises `EncoderFileError` if `sluice_models.export` did not write it.

    Large weights come back as they are stored, in half precision.
    """
    if not file.is_file():
        raise EncoderFileError(f"{file} does not exist")
    fusion = build_fusion()
    weights = _read_weights(onnx.load(str(file)).graph, fusion.state_dict())
    try:
        fusion.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    except RuntimeError as error:
        raise EncoderFileError(f"{file} was not written by sluice_models.export: its weights are others") from error
    return fusion.eval()


def _read_weights(graph: Any, wanted: dict[str, torch.Tensor]) -> Constants:
    """Those weights that the file holds, by their names in torch."""
    constants = read_constants(graph)
    named = {name: constants[name] for name in wanted if name in constants}
    return named | dict(_read_products(graph, constants)) | _read_calibration(graph, constants)


def _read_products(graph: Any, constants: Constants) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Matrices, which the exporter turns and renames; the product still has the name of the layer."""
    for node in graph.node:
        layer = node.output[0].removesuffix(_PRODUCT).removeprefix("/").replace("/", ".")
        if node.op_type == "MatMul" and node.output[0].endswith(_PRODUCT) and layer and node.input[1] in constants:
            yield f"{layer}.weight", constants[node.input[1]].T


def _read_calibration(graph: Any, constants: Constants) -> Constants:
    """Scale and shift, which the exporter cuts in two: the only constants of these shapes that have no name."""
    found = {name: np.full((N_KINDS + 1, N_LABELS), np.nan, np.float32) for name in ("scale", "shift")}
    for node in graph.node:
        place = {"Mul": "scale", "Add": "shift"}.get(node.op_type)
        for tensor in node.input:
            value = constants.get(tensor)
            if place and value is not None and value.shape in _PARTS and tensor.startswith("onnx::"):
                found[place][_PARTS[value.shape]] = value
    return {name: value for name, value in found.items() if not np.isnan(value).any()}
