"""Whatever the OpenAPI document allows, and much that it does not: no 5xx, and no answer that the document lacks.

Every operation gets a dozen requests, the same in each run. The phase ``coverage`` has 700 more and takes a minute:
``--phases coverage`` by hand, when the endpoints change.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sluice.api.feedback import Feedback, FeedbackFile
from sluice.api.keys import SCOPES
from sluice.jobs.desk import JobDesk
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving
from tests.engine.api.test_jobs import launch

COMMAND = [
    sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run",
    "--phases", "fuzzing", "--max-examples", "12", "--generation-deterministic", "--no-color",
    # Rules that JSON Schema cannot say: one part at least, addresses of some schemes, texts that are not blank. And the
    # framework takes 0 for false, or "5" for 5.
    "--exclude-checks", "positive_data_acceptance,negative_data_rejection",
]  # fmt: skip


@pytest.mark.no_cover
def test_no_request_breaks_the_server_or_the_document(tmp_path: Path) -> None:
    decided = Feedback([FeedbackFile(tmp_path / "decided.jsonl")])
    with serving(FakeScorer(), feedback=tmp_path / "kept.jsonl", decisions=decided) as address:
        run(tmp_path, address, 9)


@pytest.mark.no_cover
def test_no_request_for_a_job_does(tmp_path: Path) -> None:
    keys, desk = key_entry(scopes=SCOPES), JobDesk(launch(tmp_path, "print:{}"))
    with serving(FakeScorer(), keys=keys, job_desk=desk) as address:
        run(tmp_path, address, 15, "--include-tag", "Jobs", "--header", f"Authorization: Bearer {KEY}")


def run(folder: Path, address: str, n_operations: int, *options: str) -> None:
    command = [*COMMAND, *options, f"{address}/openapi.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{n_operations} passed" in done.stdout, done.stdout
