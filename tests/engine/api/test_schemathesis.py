"""Whatever the OpenAPI document allows, and much that it does not: no 5xx, and no answer that the document lacks.

Every operation gets a dozen requests, the same in each run. The phase ``coverage`` has 700 more and takes a minute:
``--phases coverage`` by hand, when the endpoints change.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sluice.api.feedback import Feedback, FeedbackFile
from tests.engine.api.conftest import FakeScorer, serving

COMMAND = [
    sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run",
    "--phases", "fuzzing", "--max-examples", "12", "--generation-deterministic", "--no-color",
    # Rules that JSON Schema cannot say: one part at least, addresses of some schemes, texts that are not blank. And the
    # framework takes 0 for false, or "5" for 5.
    "--exclude-checks", "positive_data_acceptance,negative_data_rejection",
]  # fmt: skip


def test_no_request_breaks_the_server_or_the_document(tmp_path: Path) -> None:
    decided = Feedback([FeedbackFile(tmp_path / "decided.jsonl")])
    with serving(FakeScorer(), feedback=tmp_path / "kept.jsonl", decisions=decided) as address:
        command = [*COMMAND, f"{address}/openapi.json"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 passed" in done.stdout, done.stdout
