"""Compiles an ONNX model with TensorRT 10.

What is used of its Python API: https://docs.nvidia.com/deeplearning/tensorrt/latest/_static/python-api.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.progress import Progress, TaskID

from sluice_models.config import ModelName
from sluice_models.plans.profiles import PlanError, describe_profile

MODULES = ("tensorrt", "tensorrt_bindings")
"""The vendor's package, and its Python bindings alone (the libraries then have to be loadable)."""
MAJOR_VERSION = "10"
"""TensorRT 11 took away the choice of half precision by a flag; older ones do not take 64-bit token ids."""
WORKSPACE_BYTES = 2**32
Precision = Literal["fp16", "fp32"]


@dataclass(frozen=True)
class BuildRequest:
    """What is to be built, and with what.

    Attributes
    ----------
    precision : str
        ``fp16`` lets TensorRT take half precision where that is faster.
    timings : Path
        The timing cache: what TensorRT measured in earlier builds on this kind of GPU; read, and written anew.
    """

    name: ModelName
    onnx_file: Path
    precision: Precision
    timings: Path


def load_tensorrt() -> Any:
    """Import TensorRT under either of its names; raises `PlanError` if it is not installed or another version."""
    refusals = []
    for module in MODULES:
        try:
            return _check_version(importlib.import_module(module))
        except ImportError as error:
            refusals.append(f"{module}: {error}")
    raise PlanError(f"TensorRT cannot be loaded ({'; '.join(refusals)})")


def _check_version(tensorrt: Any) -> Any:
    if tensorrt.__version__.split(".")[0] != MAJOR_VERSION:
        raise PlanError(f"TensorRT {MAJOR_VERSION} is needed, {tensorrt.__version__} is installed")
    return tensorrt


def build_plan(tensorrt: Any, request: BuildRequest, progress: Progress) -> bytes:
    """Compile one model.

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
    if not parser.parse_from_file(str(request.onnx_file)):
        errors = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise PlanError(f"{request.name}: {errors}")
    configuration = _configure(tensorrt, builder, network, request)
    configuration.progress_monitor = make_monitor(tensorrt, progress)
    plan = builder.build_serialized_network(network, configuration)
    if plan is None:
        raise PlanError(f"{request.name}: TensorRT built no plan; its log says why")
    _save_timings(configuration, request.timings)
    return bytes(plan)


def _configure(tensorrt: Any, builder: Any, network: Any, request: BuildRequest) -> Any:
    configuration = builder.create_builder_config()
    configuration.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    if request.precision == "fp16":
        configuration.set_flag(tensorrt.BuilderFlag.FP16)
    inputs = [network.get_input(index).name for index in range(network.num_inputs)]
    profile = builder.create_optimization_profile()
    for tensor, shapes in describe_profile(request.name, inputs).items():
        profile.set_shape(tensor, *shapes)
    configuration.add_optimization_profile(profile)
    _load_timings(configuration, request.timings)
    return configuration


def _load_timings(configuration: Any, file: Path) -> None:
    """Start from earlier measurements; from none where the file is not there or of another GPU or version."""
    stored = configuration.create_timing_cache(file.read_bytes() if file.is_file() else b"")
    if stored is None or not configuration.set_timing_cache(stored, ignore_mismatch=False):
        configuration.set_timing_cache(configuration.create_timing_cache(b""), ignore_mismatch=False)


def _save_timings(configuration: Any, file: Path) -> None:
    put(file, bytes(configuration.get_timing_cache().serialize()))


def put(file: Path, content: bytes) -> None:
    """Write a file that is whole or the old one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(content)
    part.replace(file)


def make_monitor(tensorrt: Any, progress: Progress) -> Any:
    """What TensorRT reports its phases to: a bar for each that is under way. Called from several threads."""

    class Monitor(tensorrt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            tensorrt.IProgressMonitor.__init__(self)
            self._bars: dict[str, TaskID] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._bars[phase_name] = progress.add_task(phase_name, total=num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            progress.update(self._bars[phase_name], completed=step + 1)
            return True  # False would end the build

        def phase_finish(self, phase_name: str) -> None:
            progress.remove_task(self._bars.pop(phase_name))

    return Monitor()
