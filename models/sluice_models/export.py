"""Writes the trained models into `triton_repo/` as ONNX, and checks them against torch.

The large weights are stored in half precision, each behind a cast to single: half the bytes, the same arithmetic.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
import typer
from onnx import numpy_helper
from torch import Tensor, nn

from sluice.contract import FIRST_STAGE, Axis, ModelSpec, Size, TensorSpec
from sluice.errors import SettingsError, SluiceError
from sluice.logits import sigmoid
from sluice_models.config import MEASURED_FILE, MODEL_NAMES, RUNS, TRAINED_SPECS, TRITON_REPO, TrainedName
from sluice_models.console import report_errors
from sluice_models.plans.profiles import sample_rows
from sluice_models.training import checkpoint

OPSET = 17
HALF_FROM_ELEMENTS = 1024
"""Smaller weights stay in single precision: they weigh nothing."""
TOLERANCE = 1e-3
"""Between torch and the stored model, on outputs in [0, 1]; logits go through the sigmoid first."""
CHECKED_BATCHES = ((1, Size.SMALLEST), (3, Size.USUAL), (8, Size.USUAL))


class ParityError(SluiceError):
    """An exported model does not compute what torch computes."""


@dataclass(frozen=True)
class Parity:
    """How far an exported model is from torch: the largest absolute difference per output."""

    model: TrainedName
    n_bytes: int
    differences: dict[str, float]


def sample_inputs(name: TrainedName, n_rows: int, size: Size = Size.USUAL, seed: int = 0) -> dict[str, Tensor]:
    """Random rows with the names, shapes and types of the model's inputs; some are padded."""
    names = [tensor.name for tensor in TRAINED_SPECS[name].inputs]
    return {tensor: torch.from_numpy(rows) for tensor, rows in sample_rows(name, names, n_rows, size, seed).items()}


def dynamic_axes(model: ModelSpec) -> dict[str, dict[int, str]]:
    """Names of the axes that differ from batch to batch and from row to row, per tensor."""
    return {tensor.name: {0: "batch", **_row_axes(tensor)} for tensor in (*model.inputs, *model.outputs)}


def _row_axes(tensor: TensorSpec) -> dict[int, str]:
    return {place: axis.name for place, axis in enumerate(tensor.shape, 1) if isinstance(axis, Axis)}


def export_model(name: TrainedName, model: nn.Module, file: Path) -> Parity:
    """Write one model and compare it with torch.

    Raises
    ------
    ParityError
        If any output differs by more than `TOLERANCE`; the file is left for inspection.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    inputs = sample_inputs(name, 2)
    with torch.no_grad():
        torch.onnx.export(
            model.eval(),
            tuple(inputs.values()),
            str(file),
            input_names=list(inputs),
            output_names=list(TRAINED_SPECS[name].output_names),
            dynamic_axes=dynamic_axes(TRAINED_SPECS[name]),
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.save(store_half(onnx.load(str(file))), str(file))
    return check_parity(name, model, file)


def store_half(model: Any) -> Any:
    """Replace the large float32 weights by float16 ones with a Cast behind each, in place."""
    graph = model.graph
    large = [weight for weight in graph.initializer if _is_large(weight)]
    casts = []
    for weight in large:
        values = numpy_helper.to_array(weight).astype(np.float16)
        graph.initializer.remove(weight)
        graph.initializer.append(numpy_helper.from_array(values, f"{weight.name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{weight.name}_half"], [weight.name], to=onnx.TensorProto.FLOAT))
    for position, cast in enumerate(casts):
        graph.node.insert(position, cast)
    onnx.checker.check_model(model)
    return model


def _is_large(weight: Any) -> bool:
    return bool(weight.data_type == onnx.TensorProto.FLOAT and np.prod(weight.dims) >= HALF_FROM_ELEMENTS)


def check_parity(name: TrainedName, model: nn.Module, file: Path) -> Parity:
    """Run both on inputs of several sizes; raises `ParityError` beyond `TOLERANCE`."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = TRAINED_SPECS[name].output_names
    differences = dict.fromkeys(names, 0.0)
    for n_rows, size in CHECKED_BATCHES:
        inputs = sample_inputs(name, n_rows, size, seed=n_rows)
        with torch.no_grad():
            expected = model(*inputs.values())
        found = session.run(list(names), {key: value.numpy() for key, value in inputs.items()})
        for output, ours, theirs in zip(names, expected, found, strict=True):
            differences[output] = max(differences[output], _difference(output, ours.numpy(), theirs))
    parity = Parity(name, file.stat().st_size, differences)
    if any(difference > TOLERANCE for output, difference in differences.items() if output != "tokens"):
        raise ParityError(f"{name}: torch and ONNX differ by {differences}, allowed is {TOLERANCE}")
    return parity


def _difference(output: str, ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> float:
    """Tokens are normalised to unit variance and only reported; logits are compared as probabilities."""
    if output in ("logits", "suspicion"):
        ours, theirs = sigmoid(ours), sigmoid(theirs)
    return float(np.abs(ours - theirs).max())


def find_trained(runs: Path) -> list[TrainedName]:
    """The models with a checkpoint; raises `SettingsError` if there is none."""
    trained = [name for name in TRAINED_SPECS if checkpoint.checkpoint_file(runs, name).is_file()]
    if not trained:
        raise SettingsError(f"{runs} holds no trained model; run python -m sluice_models.train")
    return trained


def main(
    runs: Annotated[Path, typer.Option(help="Where the checkpoints are.")] = RUNS,
    out: Annotated[Path, typer.Option(help="The Triton model repository.")] = TRITON_REPO,
    untrained: Annotated[bool, typer.Option(help="Export untrained weights: for trying the serving path.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per model on stdout.")] = False,
) -> None:
    """Export every trained model to ONNX, with a parity check against torch; others in the repository stay."""
    torch.manual_seed(0)
    with report_errors():
        for name in MODEL_NAMES if untrained else find_trained(runs):
            model = checkpoint.build(name) if untrained else checkpoint.load(name, runs)
            parity = export_model(name, model, out / name / "1" / "model.onnx")
            if name == FIRST_STAGE.name:
                shutil.copyfile(runs / MEASURED_FILE, out / MEASURED_FILE)
            line = {"model": name, "bytes": parity.n_bytes, "largest_difference": parity.differences}
            typer.echo(json.dumps(line) if as_json else f"{name}: {parity.n_bytes / 1e6:.1f} MB, {parity.differences}")


if __name__ == "__main__":
    typer.run(main)
