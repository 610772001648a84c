"""Batches to Triton's messages and back: what arrives is what was sent."""

import numpy as np
import pytest
from tritonclient.grpc import InferResult, service_pb2

from sluice.contract import FUSION, MODELS, TEXT_ENCODER, ModelSpec, Size
from sluice.errors import InferenceError
from sluice.inference.requests import dtype_of, make_request, read_outputs


def drawn(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, shape).astype(dtype_of(kind))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_request_holds_every_row_of_every_input(model: ModelSpec) -> None:
    batch = {tensor.name: drawn(tensor.type, (3, *tensor.sizes(Size.USUAL))) for tensor in model.inputs}
    request = make_request(model, batch)
    assert request.model_name == model.name
    for sent, raw, tensor in zip(request.inputs, request.raw_input_contents, model.inputs, strict=True):
        assert (sent.name, sent.datatype) == (tensor.name, tensor.type)
        assert np.array_equal(np.frombuffer(raw, dtype_of(tensor.type)).reshape(sent.shape), batch[tensor.name])


def test_rows_of_another_type_are_not_sent() -> None:
    batch = {tensor.name: np.ones((1, 4), np.int32) for tensor in TEXT_ENCODER.inputs}
    with pytest.raises(InferenceError, match="text_encoder: input_ids is int32, INT64 is wanted"):
        make_request(TEXT_ENCODER, batch)


def respond(*names: str) -> service_pb2.ModelInferResponse:
    response = service_pb2.ModelInferResponse()
    for n, name in enumerate(names):
        array = np.full((2, 3), n, np.float32)
        response.outputs.add(name=name, datatype="FP32", shape=array.shape)
        response.raw_output_contents.append(array.tobytes())
    return response


def test_outputs_are_read_by_name_as_tritons_client_reads_them() -> None:
    response = respond("severity", "unknown", "logits")
    logits, severity = read_outputs(FUSION, response)
    assert np.array_equal(logits, InferResult(response).as_numpy("logits"))
    assert np.array_equal(severity, InferResult(response).as_numpy("severity"))


def test_an_output_that_is_missing_is_none() -> None:
    assert read_outputs(FUSION, respond("severity"))[0] is None
