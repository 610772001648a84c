"""The Python that the documents show, run as it stands beside ``sluice up``."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.local.triton import TritonServer

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
TIMEOUT_S = 120


@pytest.fixture(scope="module")
def addresses(triton_server: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What ``sluice up`` prints, while it runs."""
    command = [sys.executable, "-m", "sluice.cli", "up", "--json", "--triton", triton_server.address]
    environ = {**os.environ, "SLUICE_MEDIA_STORE": str(tmp_path_factory.mktemp("store"))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ) as stack:
        assert stack.stdout is not None
        yield json.loads(stack.stdout.readline())
        stack.send_signal(signal.SIGINT)


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_it_prints_the_decision(page: str, addresses: dict[str, str], tmp_path: Path) -> None:
    (example,) = EXAMPLE.findall((ROOT / page).read_text("utf-8"))
    (tmp_path / "try.py").write_text(example, "utf-8")
    command = [sys.executable, "try.py", addresses["kafka"], addresses["media_store"]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("allow", "review", "block")
