"""Takes our own tower out of the former image encoder: ``python -m sluice_models.training.own_tower FILE``.

FILE is what this prints, at the root of the repository::

    git show 0cd6508^:triton_repo/image_encoder/1/model.onnx

It was trained, on the bundle's pictures and drawings beside them, by ``sluice_models.train --only image`` as it was
in that commit, ``0cd6508^``: its ``train_image.py`` and ``image_encoder.yaml``. Batch norms were folded into the
convolutions when it was exported, and the large weights rounded to half precision.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
import typer
from torch import Tensor, nn

from sluice.errors import SettingsError
from sluice_models.config import RUNS
from sluice_models.console import report_errors
from sluice_models.networks.residual import ResidualEncoder
from sluice_models.networks.two_towers import PLACES
from sluice_models.training import checkpoint
from sluice_models.training.onnx_encoder import read_constants

SHA_256 = "1d19935779e3342d087a5871ee3617facced947265b9659baf637a802cae4d17"
"""Of the file."""
NAME = "own_tower"
"""Of the checkpoint."""
OF_ALL_LABELS = ("cells.weight", "cells.bias", "evidence.weight", "evidence.bias", "scale", "shift")
"""Have a row for each label in the file; those of the learned ones are kept."""
Weights = dict[str, npt.NDArray[Any]]


def read_own_tower(file: Path, tower: ResidualEncoder) -> dict[str, Tensor]:
    """State of `tower`, shape = as in PyTorch, out of the file.

    Raises
    ------
    SettingsError
        If the file cannot be read or is another one.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error
    if hashlib.sha256(content).hexdigest() != SHA_256:
        raise SettingsError(f"{file} is not the image encoder that was shipped before 0cd6508")
    return to_state(onnx.load_from_string(content).graph, tower)


def to_state(graph: Any, tower: ResidualEncoder) -> dict[str, Tensor]:
    """State of `tower`, shape = as in PyTorch: by name, and by order what the exporter gave names of its own."""
    found = {name.removeprefix("head."): values for name, values in read_constants(graph).items()}
    found |= _convolutions(graph, tower, found) | _matrices(graph, found)
    chosen = {name: found[name][PLACES] if name in OF_ALL_LABELS else found[name] for name in tower.state_dict()}
    return {name: torch.from_numpy(values.astype(np.float32)) for name, values in chosen.items()}


def _convolutions(graph: Any, tower: ResidualEncoder, constants: Weights) -> Weights:
    """In the graph they come in the order in which the tower's modules do."""
    names = [name for name, module in tower.named_modules() if isinstance(module, nn.Conv2d)]
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    return {
        f"{name}.{part}": constants[tensor]
        for name, node in zip(names, nodes, strict=True)
        for part, tensor in zip(("weight", "bias"), node.input[1:], strict=True)
    }


def _matrices(graph: Any, constants: Weights) -> Weights:
    """The two products with weights: (in, out) in the file, (out, in) in torch."""
    products = [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in constants]
    names = ("to_tokens.weight", "evidence.weight")
    return {name: constants[node.input[1]].T for name, node in zip(names, products, strict=True)}


def load_own_tower(tower: ResidualEncoder, runs: Path) -> None:
    """Fill a tower with its weights; raises `SettingsError` if they were not taken out yet."""
    file = checkpoint.checkpoint_file(runs, NAME)
    if not file.is_file():
        raise SettingsError(f"{file} does not exist; see python -m sluice_models.training.own_tower --help")
    tower.load_state_dict(torch.load(file, weights_only=True))


def main(
    file: Annotated[Path, typer.Argument(help="From git show 0cd6508^:triton_repo/image_encoder/1/model.onnx.")],
    runs: Annotated[Path, typer.Option(help="Where checkpoints go.")] = RUNS,
) -> None:
    """Write own_tower.pt, which training the image encoder puts beside the adopted tower."""
    with report_errors():
        tower = checkpoint.build_own_tower()
        tower.load_state_dict(read_own_tower(file, tower))
        out = checkpoint.checkpoint_file(runs, NAME)
        checkpoint.save(tower, out)
        typer.echo(f"{out}: {sum(weight.numel() for weight in tower.parameters()) / 1e6:.1f} million weights")


if __name__ == "__main__":
    typer.run(main)
