"""CPU and memory by role, of real processes."""

import subprocess
import sys

import pytest

from sluice.bench.usage import UsageWatch, look, read_usage, tree_of

BUSY = """
import sys, time
end = time.process_time() + 0.4
while time.process_time() < end:
    pass
print(flush=True)
sys.stdin.read()
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"


@pytest.fixture
def busy_child():
    """A process whose child has worked for 0.4 s of CPU, and says so."""
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield process
    process.communicate()


def test_what_a_child_does_counts_for_the_role(busy_child):
    with UsageWatch({"worker": lambda: [busy_child.pid], "idle": lambda: []}) as usage:
        begin = look({}).at
        busy_child.stdout.readline()
    taken = usage.cpu_s(begin, look({}).at)
    assert 0.3 < taken["worker"] < 5
    assert usage.peak_mb()["worker"] > 5
    assert len(usage.memory("worker")) >= 2
    assert len(tree_of(busy_child.pid)) == 2


def test_a_process_that_is_gone_takes_nothing():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert read_usage(process.pid) == (0.0, 0)
    assert look({"worker": lambda: [process.pid, None]}).cpu_s == {"worker": 0.0}


def test_models_count_for_themselves(tmp_path):
    model = "/somewhere/triton_repo/text_encoder/1/model.py"
    process = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()", model], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    assert set(look({"triton": lambda: [process.pid]}).n_bytes) == {"text_encoder"}
    assert set(look({"worker": lambda: [process.pid]}).n_bytes) == {"worker"}
    process.communicate(b"\n")
