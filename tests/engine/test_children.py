"""What a child process is given, and what it may not do: asked of real children."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from sluice import children
from sluice.children import PIPE_BYTES, read_data_bytes, set_soft, start_child, write_in_pieces
from sluice.resources import package_root

SECRET = "made-up-password"


def write_module(folder: Path, name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that a child finds, since a child's path holds its parent's."""
    (folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(str(folder))
    return name


async def ask_child(module: str, body: bytes = b"", *arguments: str) -> Any:
    """Start a child, write to it, and return the JSON that it answers with."""
    child = await start_child(module, *arguments)
    assert child.stdin is not None
    assert child.stdout is not None
    await write_in_pieces(child.stdin, body)
    child.stdin.close()
    answer = await child.stdout.read()
    assert await child.wait() == 0
    assert child.stderr is None
    return json.loads(answer)


DESCRIBE = """
import hashlib, json, os, sys
body = sys.stdin.buffer.read()
print("this goes nowhere", file=sys.stderr)
print(json.dumps({"n_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), "arguments": sys.argv[1:],
                  "environment": dict(os.environ)}))
"""


async def test_a_child_reads_all_that_is_written_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = write_module(tmp_path, "describe_child", DESCRIBE, monkeypatch)
    body = os.urandom(3 * PIPE_BYTES + 1)
    found = await ask_child(module, body, "--one", "two words")
    assert (found["n_bytes"], found["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert found["arguments"] == ["--one", "two words"]


async def test_a_child_makes_way_for_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = write_module(tmp_path, "nice_child", "import os, sys; sys.stdin.read(); print(os.nice(0))", monkeypatch)
    assert await ask_child(module) == os.nice(0) + 10


async def test_a_child_knows_no_secret_of_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = write_module(tmp_path, "secretless_child", DESCRIBE, monkeypatch)
    for name in ("SLUICE_KAFKA_SASL_PASSWORD", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ssl/own.pem")
    environment = (await ask_child(module))["environment"]
    assert SECRET not in environment.values()
    assert environment["SSL_CERT_FILE"] == "/etc/ssl/own.pem"
    assert environment["PATH"] == os.environ["PATH"]


def test_a_child_computes_on_one_thread_and_finds_this_package_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "/somewhere/else"])
    environment = children._environment()
    assert {environment[name] for name in environment if name.endswith("_NUM_THREADS")} == {"1"}
    assert environment["PYTHONPATH"].split(os.pathsep) == [str(package_root()), "/somewhere/else"]


@pytest.mark.parametrize("name", ["LANG", "HOME", "SSL_CERT_DIR", "LD_LIBRARY_PATH"])
def test_a_variable_that_is_not_set_is_not_made_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    assert name not in children._environment()


CONFINED = """
import ctypes, json, os, resource, signal, sys
from pathlib import Path
from sluice.children import confine
confine(int(sys.argv[1]))

def attempt(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__, error.errno
    return None

def open_many():
    kept = [open(os.devnull) for _ in range(200)]

ended_with = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(ended_with), 0, 0, 0)
status = dict(line.split(":\\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\\t" in line)
print(json.dumps({
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "writing": attempt(lambda: Path(sys.argv[2]).write_bytes(b"x" * 10)),
    "opening": attempt(open_many),
    "ended_with": ended_with.value,
    "no_new_privileges": status["NoNewPrivs"],
    "ignores_ctrl_c": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
async def test_a_confined_child_may_do_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    module = write_module(tmp_path, "confined_child", CONFINED, monkeypatch)
    found = await ask_child(module, b"", "64", str(tmp_path / "written"))
    assert found == {
        "core": 0,
        "writing": ["OSError", errno.EFBIG],
        "opening": ["OSError", errno.EMFILE],
        "ended_with": signal.SIGKILL,
        "no_new_privileges": "1",
        "ignores_ctrl_c": True,
    }
    assert (tmp_path / "written").read_bytes() == b""


def test_data_is_counted_as_the_limit_does(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmData:\t    1091 kB\nVmStk:\t     132 kB\n")
    assert read_data_bytes(status) == 1091 * 1024
    assert read_data_bytes(tmp_path / "missing") == 0
    if sys.platform == "linux":
        assert read_data_bytes() > 2**20


@pytest.fixture
def file_limit():
    """The limit of open files, put back afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_soft_limit_is_set_and_the_hard_one_stays(file_limit: tuple[int, int]) -> None:
    set_soft(resource.RLIMIT_NOFILE, 128)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (128, file_limit[1])


def test_a_soft_limit_never_goes_above_the_hard_one(file_limit: tuple[int, int]) -> None:
    hard = file_limit[1]
    if hard == resource.RLIM_INFINITY:
        pytest.skip("no hard limit here")
    set_soft(resource.RLIMIT_NOFILE, hard + 1_000)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


async def test_nothing_is_written_for_an_empty_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = write_module(tmp_path, "unfed_child", DESCRIBE, monkeypatch)
    assert (await ask_child(module))["n_bytes"] == 0
