"""Triton's own Python module exists only inside Triton; here a stand-in with the four names that we use."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import pytest


@dataclass
class Tensor:
    name: str
    array: npt.NDArray[Any]

    def as_numpy(self) -> npt.NDArray[Any]:
        return self.array


@dataclass
class Response:
    tensors: list[Tensor]
    error: Exception | None = None


def stand_in_for_triton(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    backend = types.ModuleType("triton_python_backend_utils")
    names = {
        "Tensor": Tensor,
        "InferenceResponse": Response,
        "TritonError": RuntimeError,
        "get_input_tensor_by_name": lambda request, name: Tensor(name, request[name]),
    }
    vars(backend).update(names)
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", backend)
    return backend
