"""`sluice chaos` for two minutes: nothing is lost, and the controls are seen to lose."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components import require_kafka

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


def test_two_minutes_of_faults_lose_nothing(tmp_path: Path, triton_files: None) -> None:
    require_kafka()
    command = [sys.executable, "-m", "sluice", "chaos", "--minutes", "2", "--seed", "7", "--json"]
    done = subprocess.run([*command, "--state-dir", str(tmp_path)], stdout=subprocess.PIPE, text=True, check=False)
    report = json.loads(done.stdout)
    slow = [problem for problem in report["problems"] if "no recovery" in problem]  # a busy machine's, not a loss
    assert [problem for problem in report["problems"] if problem not in slow] == []
    assert done.returncode == bool(slow)
    assert len({fault["kind"] for fault in report["faults"]}) >= 2  # a slow machine has no time for more
    assert {scenario["worker"]: scenario["n_lost"] > 0 for scenario in report["scenarios"]} == {
        "ordered": False,
        "unordered": True,
        "commit-first": True,
    }
