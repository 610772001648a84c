"""One channel to a server that speaks Triton's protocol: what each of its errors becomes, and how it connects anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from sluice.config import InferenceConfig
from sluice.contract import FUSION, TEXT_ENCODER, ModelSpec
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable, ModelBusy, SettingsError
from sluice.inference.connection import Connection
from sluice.inference.requests import dtype_of, make_request
from tests.kserve import Fault, KServe, serving


def request_of(model: ModelSpec, n_rows: int = 2) -> Any:
    """Zeros, as few as there may be in a row."""
    batch = {tensor.name: np.zeros((n_rows, *tensor.sizes()), dtype_of(tensor.type)) for tensor in model.inputs}
    return make_request(model, batch)


async def ask(server: KServe, model: ModelSpec = FUSION, timeout_s: float = 20.0):
    async with serving(server) as port:
        connection = Connection(InferenceConfig(f"127.0.0.1:{port}"), model.name)
        try:
            return await connection.infer(request_of(model), timeout_s)
        finally:
            await connection.close()


async def test_an_answer_is_the_models() -> None:
    response = await ask(KServe())
    assert [output.shape[0] for output in response.outputs] == [2, 2]
    assert response.model_version == "1"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("internal", InferenceError), ("full", ModelBusy), ("unloaded", InferenceUnavailable)],
)
async def test_an_error_names_model_address_and_what_triton_said(fault: Fault, kind: type[InferenceError]) -> None:
    server = KServe()
    server.fail(fault)
    with pytest.raises(InferenceError, match=rf"^{FUSION.name} at 127\.0\.0\.1:\d+: StatusCode\.\w+: .+") as caught:
        await ask(server)
    assert type(caught.value) is kind
    if isinstance(caught.value, InferenceUnavailable):
        assert caught.value.model == FUSION.name


async def test_no_answer_in_time_is_late_and_not_an_outage() -> None:
    server = KServe()
    server.fail("hang")
    with pytest.raises(InferenceLate, match="DEADLINE_EXCEEDED"):
        await ask(server, timeout_s=0.05)


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    connection = Connection(InferenceConfig("127.0.0.1:1"), FUSION.name)
    with pytest.raises(InferenceUnavailable, match=r"fusion.* at 127\.0\.0\.1:1"):
        await connection.infer(request_of(FUSION), 20.0)
    with pytest.raises(InferenceUnavailable, match=r"127\.0\.0\.1:1"):
        await connection.describe(20.0)
    await connection.close()


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", InferenceUnavailable),
        (grpc.StatusCode.CANCELLED, "Locally cancelled", InferenceUnavailable),
        (grpc.StatusCode.NOT_FOUND, "unknown model", InferenceUnavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", InferenceLate),
        (grpc.StatusCode.INVALID_ARGUMENT, "unexpected shape", InferenceError),
        (grpc.StatusCode.INTERNAL, "Stub process 'fusion_0' is not healthy.", InferenceUnavailable),
        (grpc.StatusCode.UNKNOWN, "", InferenceError),
    ],
)
async def test_each_status_is_waited_for_late_or_the_rows_fault(
    status: grpc.StatusCode, message: str, kind: type[InferenceError]
) -> None:
    connection = Connection(InferenceConfig("127.0.0.1:1"), "fusion")
    assert type(connection._typed(status, message)) is kind
    await connection.close()


async def test_a_model_says_what_it_takes() -> None:
    async with serving(KServe()) as port:
        connection = Connection(InferenceConfig(f"127.0.0.1:{port}"), TEXT_ENCODER.name)
        config = await connection.describe(20.0)
        await connection.close()
    assert config.name == TEXT_ENCODER.name
    assert [tensor.name for tensor in config.input] == [tensor.name for tensor in TEXT_ENCODER.inputs]


async def test_a_connection_made_anew_reaches_a_server_that_came_back() -> None:
    async with serving(KServe()) as port:
        connection = Connection(InferenceConfig(f"127.0.0.1:{port}"), FUSION.name)
        await connection.infer(request_of(FUSION), 20.0)
    with pytest.raises(InferenceUnavailable):
        await connection.infer(request_of(FUSION), 20.0)
    second = KServe()
    second.version = "2"
    async with serving(second, f"127.0.0.1:{port}"):
        await connection.renew()
        response = await connection.infer(request_of(FUSION), 20.0)
        await connection.close()
    assert response.model_version == "2"


@pytest.mark.parametrize("field", ["ca_file", "cert_file"])
def test_a_certificate_that_cannot_be_read_is_a_wrong_setting(field: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    with pytest.raises(SettingsError, match=rf"SLUICE_TRITON_…_FILE: {missing}: No such file"):
        Connection(InferenceConfig(**{field: missing}), FUSION.name)
