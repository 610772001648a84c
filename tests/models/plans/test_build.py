"""Files that are whole or the old ones, bars for phases, and which TensorRT is taken."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from sluice_models.plans import build as plan_build
from sluice_models.plans.build import load_tensorrt, make_monitor, put
from sluice_models.plans.profiles import PlanError


def fake_module(version: str) -> types.ModuleType:
    module = types.ModuleType("tensorrt_of_a_test")
    module.__version__ = version  # type: ignore[attr-defined]
    return module


@pytest.fixture
def progress() -> Progress:
    return Progress(console=Console(quiet=True))


@pytest.fixture
def monitor(progress: Progress):
    class IProgressMonitor:
        """As in the bindings: an object that was not initialised is not one of theirs."""

        def __init__(self) -> None:
            self.is_initialised = True

    made = make_monitor(types.SimpleNamespace(IProgressMonitor=IProgressMonitor), progress)
    assert made.is_initialised
    return made


def test_a_file_is_put_into_folders_that_are_not_there_yet(tmp_path: Path) -> None:
    put(tmp_path / "a" / "b" / "plan", b"one")
    put(tmp_path / "a" / "b" / "plan", b"two")
    assert (tmp_path / "a" / "b" / "plan").read_bytes() == b"two"
    assert [file.name for file in (tmp_path / "a" / "b").iterdir()] == ["plan"]


def test_a_file_that_cannot_be_written_whole_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "plan", b"old")
    (tmp_path / "plan.part").mkdir()  # in the way
    with pytest.raises(IsADirectoryError):
        put(tmp_path / "plan", b"new")
    assert (tmp_path / "plan").read_bytes() == b"old"


@pytest.mark.parametrize("module", plan_build.MODULES)
def test_tensorrt_is_found_under_either_name(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in plan_build.MODULES:
        monkeypatch.setitem(sys.modules, name, None)
    found = fake_module("10.3.0")
    monkeypatch.setitem(sys.modules, module, found)
    assert load_tensorrt() is found


def test_without_either_both_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in plan_build.MODULES:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PlanError) as caught:
        load_tensorrt()
    assert all(name in str(caught.value) for name in plan_build.MODULES)


@pytest.mark.parametrize("version", ["8.6.1", "9.3.0", "11.0.0", "100.1"])
def test_another_major_version_is_refused_and_told(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, plan_build.MODULES[0], fake_module(version))
    with pytest.raises(PlanError, match=rf"TensorRT 10 is needed, {version} is installed"):
        load_tensorrt()


def test_each_phase_has_a_bar_while_it_is_under_way(monitor, progress: Progress) -> None:
    monitor.phase_start("Building", None, 4)
    monitor.phase_start("Timing", "Building", 2)
    assert [(task.description, task.total) for task in progress.tasks] == [("Building", 4), ("Timing", 2)]
    assert monitor.step_complete("Building", 2) is True
    assert progress.tasks[0].completed == 3
    monitor.phase_finish("Timing")
    assert [task.description for task in progress.tasks] == ["Building"]
    monitor.phase_finish("Building")
    assert progress.tasks == []


def test_a_phase_that_comes_again_begins_anew(monitor, progress: Progress) -> None:
    for _ in range(2):
        monitor.phase_start("Timing", None, 2)
        monitor.step_complete("Timing", 1)
        assert progress.tasks[0].completed == 2
        monitor.phase_finish("Timing")
