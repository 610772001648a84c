"""What stops a Triton server from starting is told in one sentence. The server itself: tests/integration."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import platform
import sysconfig
from pathlib import Path

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
