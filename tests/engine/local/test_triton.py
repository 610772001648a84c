"""How a Triton server is started, and what stops it from starting. The server itself: tests/integration."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import importlib.util
import os
import platform
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest

from sluice.errors import StackError
from sluice.local import guard, triton


def test_a_folder_without_models_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=str(tmp_path)):
        triton.TritonServer(tmp_path, tmp_path)


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("linux", "aarch64")])
def test_a_platform_without_the_wheel_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(StackError, match=rf"{system} on {machine}.*--triton HOST:PORT.*docker-compose\.yml"):
        triton.find_files()


def test_where_the_wheel_is_only_not_installed_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(StackError, match=r"extra \[local\]"):
        triton.find_files()


def test_a_python_that_the_wheel_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(triton, "_python_version", lambda: "3.99")
    with pytest.raises(StackError, match=r"Python 3\.99"):
        triton._make_backends(tmp_path)


def test_a_python_without_its_library_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: str(tmp_path))
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(StackError, match=r"apt-get install libpython3"):
        triton._library_path(triton.TritonFiles(tmp_path, tmp_path, tmp_path))


def test_shared_memory_of_dead_owners_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ended = os.spawnlp(os.P_WAIT, "true", "true")
    assert ended == 0
    pid = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(pid, 0)
    names = {f"sluice-{pid}-a": False, f"sluice-{os.getpid()}-b": True, "sluice-x-c": True, "other": True}
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.setattr(guard, "SHARED_MEMORY", tmp_path)
    triton.remove_stale_shared_memory()
    assert {name: (tmp_path / name).exists() for name in names} == names


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder laid out as the wheel's, with a stub for this Python; and a cache of the test's own."""
    folder = tmp_path / "site" / "pytriton"
    tritonserver = folder / "tritonserver"
    (tritonserver / "bin").mkdir(parents=True)
    (tritonserver / "bin" / "tritonserver").touch()
    backend = tritonserver / "backends" / "python"
    backend.mkdir(parents=True)
    (backend / "libtriton_python.so").write_text("library")
    stub = tritonserver / "python_backend_stubs" / triton._python_version() / "triton_python_backend_stub"
    stub.parent.mkdir(parents=True)
    stub.write_text("stub")
    stub.chmod(0o644)  # as wheels are unpacked
    spec = SimpleNamespace(origin=str(folder / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.7.0")
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "models" / "one").mkdir(parents=True)
    (tmp_path / "models" / "one" / "config.pbtxt").touch()
    return tmp_path / "models"


def test_the_backend_has_the_stub_of_this_python_which_can_be_run(wheel: Path) -> None:
    backends = triton.find_files().backends
    stub = backends / "python" / "triton_python_backend_stub"
    assert stub.read_text() == "stub"
    assert os.access(stub, os.X_OK)
    assert (backends / "python" / "libtriton_python.so").read_text() == "library"


def test_the_backend_is_made_once_for_each_version_of_the_wheel(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = triton.find_files().backends
    (first / "python" / "mark").touch()
    assert triton.find_files().backends == first
    assert (first / "python" / "mark").exists()
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.8.0")
    assert triton.find_files().backends != first


def test_the_servers_libraries_come_first_and_ours_stay(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/ours")
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: "found")
    files = triton.find_files()
    assert files.libraries == wheel.parent / "nvidia_pytriton.libs"
    path = triton._library_path(files).split(os.pathsep)
    assert (path[0], path[-1]) == (str(files.libraries), "/ours")
    assert "" not in path  # an empty one would be the working directory


def test_the_models_run_on_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    assert triton._find_python()["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/usr/bin"]


@pytest.fixture
def arguments(wheel: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(triton, "_library_path", lambda files: "/libraries")
    server = triton.TritonServer(repository, tmp_path / "state", "tensorrt", options=["--log-verbose=1"])
    command = server._process._command
    assert command[0] == str(wheel / "tritonserver" / "bin" / "tritonserver")
    assert server._process.log == tmp_path / "state" / "triton.log"
    return {name: value for name, _, value in (each.partition("=") for each in command[1:])}


def test_it_listens_on_loopback_alone(arguments: dict[str, str]) -> None:
    assert (arguments["--http-address"], arguments["--grpc-address"]) == ("127.0.0.1", "127.0.0.1")
    assert arguments["--http-port"] != arguments["--grpc-port"]
    assert arguments["--allow-metrics"] == "false"


def test_it_serves_the_repository_by_the_configuration_that_was_asked_for(
    arguments: dict[str, str], repository: Path
) -> None:
    assert arguments["--model-repository"] == str(repository.resolve())
    assert arguments["--model-config-name"] == "tensorrt"
    assert arguments["--log-verbose"] == "1"
    assert "--disable-auto-complete-config" in arguments


def test_two_servers_share_neither_ports_nor_memory(
    wheel: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton, "_library_path", lambda files: "/libraries")
    first, second = (triton.TritonServer(repository, tmp_path) for _ in range(2))
    prefixes = {server._process._shared_memory for server in (first, second)}
    assert len(prefixes) == 2
    assert all(prefix.startswith(f"sluice-{os.getpid()}-") for prefix in prefixes)
    assert first.address != second.address
    assert first.url.removeprefix("http://") != first.address
