"""Builds TensorRT plans from the ONNX models, on the GPU that will serve them: ``python -m models.plan``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import SluiceError
from engine.features import IMAGE_SIZE_PX, N_FRAMES, N_MELS, TEXT_WINDOW_TOKENS, audio, image, text
from engine.schema import MAX_AUDIO, MAX_IMAGES
from models.config import D_TOKEN, MODEL_NAMES, N_TOKENS, TRITON_REPO, ModelName
from models.console import report_errors

MODULES = ("tensorrt", "tensorrt_bindings")
"""The vendor's package, and its Python bindings alone (the libraries then have to be loadable)."""
WORKSPACE_BYTES = 2**32
MAX_BATCH = 32
MAX_POSTS = 64
MAX_PARTS = text.MAX_WINDOWS + MAX_IMAGES * image.MAX_ROWS + MAX_AUDIO * audio.MAX_WINDOWS
"""Rows that one post may bring to the fusion, each of `N_TOKENS` tokens."""


class PlanError(SluiceError):
    """No plan can be built here: TensorRT or a GPU is missing, or the model is refused."""


Shape = tuple[int, ...]
Profile = dict[str, tuple[Shape, Shape, Shape]]


def describe_profile(name: ModelName) -> Profile:
    """Smallest, usual and largest shape of every input."""
    if name == "text_encoder":
        shapes = ((1, 2), (8, 32), (MAX_BATCH, TEXT_WINDOW_TOKENS))
        return {"input_ids": shapes, "attention_mask": shapes}
    if name == "image_encoder":
        return {"pixels": _batches((3, IMAGE_SIZE_PX, IMAGE_SIZE_PX))}
    if name == "audio_encoder":
        return {"log_mel": _batches((N_MELS, N_FRAMES))}
    flat = ((1, N_TOKENS), (8, 4 * N_TOKENS), (MAX_POSTS, MAX_PARTS * N_TOKENS))
    smallest, usual, largest = flat
    return {"tokens": ((*smallest, D_TOKEN), (*usual, D_TOKEN), (*largest, D_TOKEN)), "mask": flat, "kind": flat}


def _batches(row: Shape) -> tuple[Shape, Shape, Shape]:
    return (1, *row), (8, *row), (MAX_BATCH, *row)


def load_tensorrt() -> Any:
    """Import TensorRT under either of its names; raises `PlanError` if it is not installed."""
    for module in MODULES:
        try:
            return importlib.import_module(module)
        except ImportError:
            continue
    raise PlanError(f"TensorRT is not installed: neither {' nor '.join(MODULES)} can be imported")


def build_plan(tensorrt: Any, name: ModelName, onnx_file: Path) -> bytes:
    """Compile one model in half precision where that is faster.

    Raises
    ------
    PlanError
        If there is no usable GPU, or TensorRT refuses the model; with its own words.
    """
    logger = tensorrt.Logger(tensorrt.Logger.WARNING)
    try:
        builder = tensorrt.Builder(logger)
    except TypeError as error:  # what the bindings raise when CUDA does not start
        raise PlanError(f"no usable GPU: {error}") from error
    network = builder.create_network(0)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx_file)):
        raise PlanError(f"{name}: " + "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors)))
    plan = builder.build_serialized_network(network, _configure(tensorrt, builder, name))
    if plan is None:
        raise PlanError(f"{name}: TensorRT built no plan; its log says why")
    return bytes(plan)


def _configure(tensorrt: Any, builder: Any, name: ModelName) -> Any:
    configuration = builder.create_builder_config()
    configuration.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    configuration.set_flag(tensorrt.BuilderFlag.FP16)
    profile = builder.create_optimization_profile()
    for tensor, shapes in describe_profile(name).items():
        profile.set_shape(tensor, *shapes)
    configuration.add_optimization_profile(profile)
    return configuration


def main(
    repository: Annotated[Path, typer.Option(help="The Triton model repository.")] = TRITON_REPO,
) -> None:
    """Write 1/model.plan beside every 1/model.onnx."""
    with report_errors():
        tensorrt = load_tensorrt()
        for name in MODEL_NAMES:
            version = repository / name / "1"
            (version / "model.plan").write_bytes(build_plan(tensorrt, name, version / "model.onnx"))
            typer.echo(f"{name}: {version / 'model.plan'}", err=True)


if __name__ == "__main__":
    typer.run(main)
