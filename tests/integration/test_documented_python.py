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
def environ(triton_server: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of somebody's terminal, while ``sluice up`` runs in another."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    environ["XDG_DATA_HOME"] = str(tmp_path_factory.mktemp("home"))
    command = [sys.executable, "-m", "sluice.cli", "up", "--json", "--triton", triton_server.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ) as stack:
        assert stack.stdout is not None
        assert json.loads(stack.stdout.readline())["kafka"]
        yield environ
        stack.send_signal(signal.SIGINT)


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_it_prints_the_decision(page: str, environ: dict[str, str], tmp_path: Path) -> None:
    (example,) = EXAMPLE.findall((ROOT / page).read_text("utf-8"))
    (tmp_path / "try.py").write_text(example, "utf-8")
    command = [sys.executable, "try.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("allow", "review", "block")


def test_a_post_is_published_and_its_outcome_shown_without_an_address(environ: dict[str, str]) -> None:
    command = [sys.executable, "-m", "sluice", "publish", "--wait", "--text", "See you at lunch", "--id", "p-7"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["post_id"], json.loads(done.stdout)["decision"]) == ("p-7", "allow")
