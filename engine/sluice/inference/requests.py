"""Batches as Triton's protocol (KServe v2) has them: arrays to a request, a response to arrays.

Written out here: the wrappers of Triton's client take as long as all else that a request costs the worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2
from tritonclient.utils import triton_to_np_dtype

from sluice.contract import ModelSpec
from sluice.errors import InferenceError
from sluice.inference import Array


@cache
def dtype_of(kind: str) -> npt.DTypeLike:
    """NumPy's type for one that Triton names."""
    return np.dtype(triton_to_np_dtype(kind))


def make_request(spec: ModelSpec, batch: Mapping[str, Array]) -> Any:
    """A ``ModelInferRequest``.

    Parameters
    ----------
    batch : mapping of str to ndarray
        By the name of the input, the rows along the first axis.

    Raises
    ------
    InferenceError
        An array is of another type than the model takes.
    """
    request = service_pb2.ModelInferRequest(model_name=spec.name)
    for tensor in spec.inputs:
        array = batch[tensor.name]
        if array.dtype != dtype_of(tensor.type):
            raise InferenceError(f"{spec.name}: {tensor.name} is {array.dtype}, {tensor.type} is wanted")
        request.inputs.add(name=tensor.name, datatype=tensor.type, shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    return request


def read_outputs(spec: ModelSpec, response: Any) -> list[Array | None]:
    """Outputs of a ``ModelInferResponse``, in the order of `spec.outputs`; None for one that is missing."""
    found = {
        output.name: np.frombuffer(raw, dtype_of(output.datatype)).reshape(tuple(output.shape))
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=False)
    }
    return [found.get(tensor.name) for tensor in spec.outputs]
