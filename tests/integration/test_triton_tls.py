"""Triton over TLS: a real server with real certificates, which it also asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import trustme
from prometheus_client import CollectorRegistry

from sluice.errors import InferenceUnavailable, SettingsError
from sluice.local.triton import TritonServer
from sluice.metrics import Metrics
from sluice.opening import open_pipeline
from sluice.resources import triton_repository
from sluice.schema import Post
from sluice.settings import load_settings

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("triton_files")]


@dataclass(frozen=True)
class Guarded:
    """A Triton that takes only those whom its authority knows, and the files of such a one."""

    address: str
    ca: str
    cert: str
    key: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder, authority = tmp_path_factory.mktemp("triton-tls"), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name, identity in (("server", "127.0.0.1"), ("client", "worker.example.org")):
        issued = authority.issue_cert(identity)
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
    options = [
        "--grpc-use-ssl=true",
        "--grpc-use-ssl-mutual=true",
        f"--grpc-server-cert={folder / 'server.pem'}",
        f"--grpc-server-key={folder / 'server.key'}",
        f"--grpc-root-cert={folder / 'ca.pem'}",
    ]
    with TritonServer(triton_repository(), folder, options=options) as triton:
        triton.wait_until_ready(120)
        yield Guarded(triton.address, *(str(folder / name) for name in ("ca.pem", "client.pem", "client.key")))


async def score(address: str, **environment: str) -> dict[str, str]:
    settings = load_settings({"SLUICE_TRITON": address, "SLUICE_START_TIMEOUT_S": "10", **environment})
    async with open_pipeline(settings, Metrics(CollectorRegistry())) as pipeline:
        return dict((await pipeline.score(Post(id="p", text="see you at lunch", deadline_ms=20_000))).modalities)


async def test_with_certificates_that_both_sides_know_posts_are_scored(guarded: Guarded) -> None:
    files = {
        "SLUICE_TRITON_CA_FILE": guarded.ca,
        "SLUICE_TRITON_CERT_FILE": guarded.cert,
        "SLUICE_TRITON_KEY_FILE": guarded.key,
    }
    assert await score(guarded.address, **files) == {"text": "ok"}


@pytest.mark.parametrize("known", ["nothing", "itself", "the authority"])
async def test_without_them_nothing_is_scored(guarded: Guarded, known: str) -> None:
    environment = {
        "nothing": {},
        "itself": {"SLUICE_TRITON_TLS": "1"},  # the authority of the test is none of the public ones
        "the authority": {"SLUICE_TRITON_CA_FILE": guarded.ca},
    }[known]
    with pytest.raises(InferenceUnavailable, match=guarded.address):
        await score(guarded.address, **{**environment, "SLUICE_START_TIMEOUT_S": "1"})


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SLUICE_TRITON_CA_FILE": "/missing.pem"}, "SLUICE_TRITON_CA_FILE: /missing.pem does not exist"),
        ({"SLUICE_TRITON_CERT_FILE": __file__}, "SLUICE_TRITON_CERT_FILE and SLUICE_TRITON_KEY_FILE: one needs the"),
    ],
)
def test_files_that_are_missing_are_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(environment)
