"""``sluice benchmark`` on the real Triton, as a user runs it."""

import json
import subprocess
import sys

import pytest

from sluice.benchmark.names import SetName
from sluice.benchmark.sets import SETS
from tests.engine.benchmark.sets import write_all

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("triton_files")]

TIMEOUT_S = 300


def run_benchmark(*arguments):
    command = [sys.executable, "-m", "sluice.cli", "benchmark", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)


@pytest.mark.parametrize("name", SetName)
def test_figures_come_out_for_every_set(triton_server, tmp_path, name):
    done = run_benchmark(name, write_all(tmp_path)[name], "--json", "--triton", triton_server.address)
    assert done.returncode == 0, done.stderr.decode()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["set"] for line in lines} == {name}
    assert all(line["value"] is None or line["low"] <= line["value"] <= line["high"] for line in lines)
    found = {(line["measure"], line["of"]) for line in lines}
    assert {(published.measure, published.subject) for published in SETS[name].published} <= found


def test_a_mistake_in_the_file_ends_it_before_anything_is_started(tmp_path):
    (tmp_path / "set.csv").write_text("functionality,test_case\n", "utf-8")
    done = run_benchmark("hatecheck", tmp_path / "set.csv")
    assert done.returncode == 1
    assert done.stdout == b""
    assert f"sluice: {tmp_path / 'set.csv'}:1: column label_gold is missing" in done.stderr.decode()


def test_an_unknown_set_is_wrong_usage(tmp_path):
    done = run_benchmark("imagined", tmp_path / "set.csv")
    assert done.returncode == 2
    assert b"hatecheck" in done.stderr
