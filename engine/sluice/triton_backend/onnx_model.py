"""The Python-backend model that every ``triton_repo/*/1/model.py`` imports: model.onnx in ONNX Runtime on the CPU.

It runs inside Triton's Python stub and imports nothing of the engine but this package. Names and types of the tensors
come from the model's configuration. The parameter ``quantise`` of the configuration, if it is ``rows8``, makes an
eight-bit form of the model at the first load and keeps it in the cache; ``niceness`` lets other processes go first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as backend

from sluice.triton_backend.sessions import open_session, quantise_once, read_cpu_flags

Arrays = list[npt.NDArray[Any]]


class TritonPythonModel:
    """What Triton's Python backend calls: `initialize` once, `execute` per batch of requests."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model beside the caller's model.py.

        Parameters
        ----------
        args : dict of str to str
            From Triton; `model_config`, `model_repository` and `model_version` are read.
        """
        config = json.loads(args["model_config"])
        make_way(config)
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        model = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self._session = open_session(_prepare(model, _parameter(config, "quantise")))

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer every request, in order; requests of equal shape run as one batch."""
        inputs = [self._read(request) for request in requests]
        responses: list[Any] = [None] * len(requests)
        for group in group_by_shape(inputs):
            for index, response in zip(group, self._answer([inputs[index] for index in group]), strict=True):
                responses[index] = response
        return responses

    def finalize(self) -> None:
        """Free the model's memory."""
        del self._session

    def _read(self, request: Any) -> Arrays:
        return [backend.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs]

    def _answer(self, group: list[Arrays]) -> list[Any]:
        """Run a group as one batch; if that fails, each alone, so that one bad request fails no other."""
        try:
            return [self._respond(outputs) for outputs in self._run(group)]
        except Exception as error:
            if len(group) == 1:
                return [backend.InferenceResponse([], backend.TritonError(_describe(error)))]
            return [self._answer([alone])[0] for alone in group]

    def _run(self, group: list[Arrays]) -> list[Arrays]:
        """Concatenate the group's rows, run them, and split the outputs again."""
        batch = [np.concatenate(rows) for rows in zip(*group, strict=True)]
        outputs = self._session.run(self._outputs, dict(zip(self._inputs, batch, strict=True)))
        ends = np.cumsum([0, *(len(inputs[0]) for inputs in group)])
        return [[output[start:end] for output in outputs] for start, end in pairwise(ends)]

    def _respond(self, outputs: Arrays) -> Any:
        tensors = [backend.Tensor(*pair) for pair in zip(self._outputs, outputs, strict=True)]
        return backend.InferenceResponse(tensors)


def group_by_shape(inputs: Sequence[Arrays]) -> Iterable[list[int]]:
    """Indices of the requests whose rows have equal shapes, in order of first appearance."""
    groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for index, arrays in enumerate(inputs):
        groups.setdefault(tuple(array.shape[1:] for array in arrays), []).append(index)
    return groups.values()


def _prepare(model: Path, quantise: str | None) -> Path:
    if quantise is None:
        return model
    if quantise != "rows8":
        raise ValueError(f'parameter "quantise" is "{quantise}"; it may be "rows8" or absent')
    return quantise_once(model, read_cpu_flags())


def make_way(config: dict[str, Any]) -> None:
    """Let other processes go first, as far as the parameter ``niceness`` of a model's configuration says."""
    os.nice(int(_parameter(config, "niceness") or 0))


def _parameter(config: dict[str, Any], name: str) -> str | None:
    parameter = config.get("parameters", {}).get(name)
    return parameter["string_value"] if parameter else None


def _describe(error: Exception) -> str:
    """One line, without tensors' content."""
    return f"{type(error).__name__}: {str(error).splitlines()[0][:300]}"
