"""``sluice bench`` on real servers, as a user runs it, with as few posts as it takes."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("triton_files")]

TIMEOUT_S = 240


def test_a_limit_and_a_worker_are_measured_on_the_same_posts(tmp_path):
    out = tmp_path / "bench"
    arguments = ("--quick", "--mix", "text", "--posts", "60", "--rows", "limit-triton,sluice-embedded", "--out", out)
    command = [sys.executable, "-m", "sluice.cli", "bench", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads((out / "bench.json").read_bytes())
    rows = {row["row"]: row for row in report["rows"]}
    assert set(rows) == {"limit-triton", "sluice-embedded"}
    assert all(row["posts_per_s"] > 0 for row in rows.values())
    worker = rows["sluice-embedded"]
    assert worker["cpu_ms_per_post"]["worker"] > 0
    assert worker["cpu_ms_per_post"]["text_encoder"] > 0
    assert report["problems"] == []  # posts without an outcome are among them
    assert (out / "cpu.png").stat().st_size > 0
