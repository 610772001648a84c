"""``sluice serve`` as a process, with a real Triton behind it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from sluice.local.triton import TritonServer
from sluice.schema import decode_verdict

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("triton_files")]


@pytest.fixture
def served(triton_server: TritonServer) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address."""
    command = [sys.executable, "-m", "sluice", "serve", "--port", "0", "--triton", triton_server.address]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, _read_address(process)
        finally:
            process.kill()


def _read_address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"listening on (http://\S+)", line):
            return found[1]
    raise AssertionError("".join(said))


def test_a_post_is_scored_and_ctrl_c_ends_the_server(served: tuple[subprocess.Popen[str], str]) -> None:
    process, address = served
    with httpx.Client(base_url=address, timeout=60) as client:
        assert client.get("/readyz").status_code == 200
        verdict = decode_verdict(client.post("/v1/posts", json={"id": "p-1", "text": "See you at lunch"}).content)
        assert (verdict.post_id, verdict.decision) == ("p-1", "allow")
        assert verdict.models["fusion"] == "1"
        assert "sluice_posts_total" in client.get("/metrics").text
    process.send_signal(signal.SIGINT)
    assert process.wait(60) in (0, 130)
