"""A TensorRT plan inside Triton's Python backend, for a Triton without its TensorRT backend (the wheel's).

`serve_plans.py` makes the repository whose models import this. It runs in Triton's Python stub.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import triton_python_backend_utils as backend

from sluice_models.plans.build import load_tensorrt
from sluice_models.plans.cuda import Cuda
from sluice_models.plans.run import PlanRunner


class TritonPythonModel:
    """What Triton's Python backend calls: `initialize` once, `execute` per batch of requests."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load ``model.plan`` beside the caller's model.py onto the first GPU."""
        config = json.loads(args["model_config"])
        self._outputs = [tensor["name"] for tensor in config["output"]]
        plan = Path(args["model_repository"]) / args["model_version"] / "model.plan"
        self._runner = PlanRunner(load_tensorrt(), plan.read_bytes(), Cuda())

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer every request, in order; Triton has made batches of them already where it was told to."""
        return [self._answer(request) for request in requests]

    def finalize(self) -> None:
        """Free the plan's memory."""
        del self._runner

    def _answer(self, request: Any) -> Any:
        inputs = {name: backend.get_input_tensor_by_name(request, name).as_numpy() for name in self._runner.inputs}
        found = self._runner.run(inputs)
        return backend.InferenceResponse([backend.Tensor(name, found[name]) for name in self._outputs])
