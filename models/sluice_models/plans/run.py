"""Runs a plan, checks it against single precision, and measures it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.contract import SPECS, Size
from sluice.logits import sigmoid
from sluice_models.config import ModelName
from sluice_models.plans.profiles import Arrays, PlanError, sample_rows

TOLERANCE = 0.02
"""Largest difference to single precision, on outputs in [0, 1]; logits go through the sigmoid first."""
CHECKED_BATCHES = ((1, Size.SMALLEST), (3, Size.USUAL), (8, Size.LARGEST))
BATCHES = (1, 2, 4, 8, 16, 32)
N_WARM_UP, N_TIMED = 20, 100
PROBABILITIES = ("logits", "severity")


class DeviceMemory(Protocol):
    """What a runner needs of a GPU; `sluice_models.plans.cuda.Cuda` is the real one."""

    stream: int

    def allocate(self, n_bytes: int) -> int:
        """An address."""

    def free(self, address: int) -> None:
        """Give it back."""

    def upload(self, address: int, array: npt.NDArray[Any]) -> None:
        """Copy an array of any shape to the GPU."""

    def download(self, address: int, array: npt.NDArray[Any]) -> None:
        """Fill an array of any shape from the GPU."""

    def synchronize(self) -> None:
        """Wait for the stream."""


class Runner(Protocol):
    """What answers like a model: a plan, or a model behind a server."""

    inputs: list[str]

    def run(self, inputs: Arrays) -> Arrays:
        """Outputs by name."""


class Timing(msgspec.Struct, frozen=True):
    """How fast a plan is: milliseconds per batch, its rows already on the GPU, and rows a second of one stream."""

    batch: int
    p50_ms: float
    p99_ms: float
    rows_per_s: float


class PlanRunner:
    """A plan, loaded.

    Parameters
    ----------
    tensorrt : module
    plan : bytes
        Built on a GPU of this kind by this version of TensorRT.
    memory : DeviceMemory
    """

    def __init__(self, tensorrt: Any, plan: bytes, memory: DeviceMemory) -> None:
        self._memory = memory
        self._runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.WARNING))
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise PlanError("TensorRT cannot load the plan; its log says why")
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        is_input = {name: self._engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT for name in names}
        self.inputs = [name for name in names if is_input[name]]
        self._types = {name: np.dtype(tensorrt.nptype(self._engine.get_tensor_dtype(name))) for name in names}
        self._outputs = [name for name in names if not is_input[name]]

    def run(self, inputs: Arrays) -> Arrays:
        """Outputs by name."""
        with self._bind(inputs) as outputs:
            self._execute()
            for address, array in outputs.values():
                self._memory.download(address, array)
            return {name: array for name, (_, array) in outputs.items()}

    def measure(self, inputs: Arrays) -> list[float]:
        """Seconds of each of `N_TIMED` runs, after `N_WARM_UP`."""
        with self._bind(inputs):
            for _ in range(N_WARM_UP):
                self._execute()
            return [self._time() for _ in range(N_TIMED)]

    def _time(self) -> float:
        start_s = time.perf_counter()
        self._execute()
        return time.perf_counter() - start_s

    def _execute(self) -> None:
        if not self._context.execute_async_v3(self._memory.stream):
            raise PlanError("TensorRT could not run the plan; its log says why")
        self._memory.synchronize()

    @contextmanager
    def _bind(self, inputs: Arrays) -> Iterator[dict[str, tuple[int, npt.NDArray[Any]]]]:
        """Put the inputs on the GPU and make place for the outputs: their addresses, and arrays to copy them to."""
        placed: list[int] = []
        try:
            for name in self.inputs:
                array = np.ascontiguousarray(inputs[name], self._types[name])
                if not self._context.set_input_shape(name, array.shape):
                    raise PlanError(f"{name}: the plan's profile has no shape {array.shape}")
                placed.append(self._place(name, array))
                self._memory.upload(placed[-1], array)
            outputs = {}
            for name in self._outputs:
                array = np.empty(tuple(self._context.get_tensor_shape(name)), self._types[name])
                placed.append(self._place(name, array))
                outputs[name] = (placed[-1], array)
            yield outputs
        finally:
            for address in placed:
                self._memory.free(address)

    def _place(self, name: str, array: npt.NDArray[Any]) -> int:
        address = self._memory.allocate(array.nbytes)
        self._context.set_tensor_address(name, address)
        return address


def reference(onnx_file: Path) -> Callable[[Arrays], Arrays]:
    """The model in single precision, in ONNX Runtime on the CPU; raises `PlanError` if that is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise PlanError("onnxruntime is not installed, against which a plan is checked; see --no-check") from error
    session = onnxruntime.InferenceSession(str(onnx_file), providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(None, inputs), strict=True))


def compare(name: ModelName, runner: Runner, expected: Callable[[Arrays], Arrays]) -> dict[str, float]:
    """Largest absolute difference per output, over the smallest, usual and largest shapes and several batches."""
    differences: dict[str, float] = {}
    for n_rows, size in CHECKED_BATCHES:
        inputs = sample_rows(name, runner.inputs, n_rows, size, seed=size)
        found, wanted = runner.run(inputs), expected(inputs)
        for output, array in found.items():
            apart = _difference(output, array, wanted[output])
            differences[output] = float(np.maximum(differences.get(output, 0.0), apart))  # passes NaN on
    return differences


def is_close(differences: dict[str, float]) -> bool:
    """Whether a plan may serve; tokens have no unit and are only reported, but are numbers."""
    bounded = dict.fromkeys(differences, TOLERANCE) | {"tokens": np.inf}
    return all(difference <= bounded[output] for output, difference in differences.items())


def _difference(output: str, found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> float:
    if output == "logits":
        found, wanted = sigmoid(found), sigmoid(wanted)
    return float(np.abs(found.astype(np.float64) - wanted).max())


def benchmark(name: ModelName, runner: PlanRunner) -> list[Timing]:
    """Latency and throughput by batch, in the usual shape."""
    return [_measure(name, runner, batch) for batch in (*BATCHES, 64) if batch <= SPECS[name].max_rows]


def _measure(name: ModelName, runner: PlanRunner, batch: int) -> Timing:
    times_s = np.array(runner.measure(sample_rows(name, runner.inputs, batch)))
    p50, p99 = np.percentile(times_s, (50, 99)) * 1e3
    return Timing(batch, round(float(p50), 3), round(float(p99), 3), round(batch / float(times_s.mean()), 1))
