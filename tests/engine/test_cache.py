"""What is made once is made whole, also by two at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sluice.cache import cache_dir, make_once


def test_the_variable_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path / "here"))
    assert cache_dir() == tmp_path / "here"


def test_without_the_variable_it_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SLUICE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "sluice"


def test_a_second_call_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    make_once(path, lambda new: new.write_text("first") and None)
    make_once(path, lambda new: new.write_text("second") and None)
    assert path.read_text() == "first"


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(new: Path) -> None:
        new.write_text("half")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        make_once(tmp_path / "file", fail)
    assert list(tmp_path.iterdir()) == []


def test_whoever_is_second_takes_the_folder_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "folder"

    def make(new: Path) -> None:
        new.mkdir()
        (new / "mine").touch()
        path.mkdir()  # another process was faster
        (path / "theirs").touch()

    make_once(path, make)
    assert [item.name for item in path.iterdir()] == ["theirs"]
    assert [item.name for item in tmp_path.iterdir()] == ["folder"]


RACE = """
import sys
from pathlib import Path
from sluice.cache import make_once
path = make_once(Path(sys.argv[1]), lambda new: new.write_bytes(b"x" * 5_000_000) and None)
print(len(path.read_bytes()))
"""


def test_processes_that_start_together_all_see_a_whole_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, str(tmp_path / "file")]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [racer.communicate()[0].strip() for racer in racers] == ["5000000"] * 4
    assert [item.name for item in tmp_path.iterdir()] == ["file"]
