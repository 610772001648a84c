"""Jobs that need one another, in parallel processes."""

import io
import os

import pytest
from rich.console import Console

from sluice_models.training.parallel_jobs import Job, JobFailed, run_jobs

pytestmark = pytest.mark.torch


@pytest.fixture
def console():
    return Console(file=io.StringIO())


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A module ``note`` whose runs write their argument to a file, in order; ``fail`` fails."""
    (tmp_path / "note.py").write_text(
        "import os, sys\n"
        "name = sys.argv[1]\n"
        "print('hello from', name, os.environ['OMP_NUM_THREADS'])\n"
        "open('order', 'a').write(name + ' ')\n"
        "sys.exit(name == 'fail')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_a_job_waits_for_what_it_needs(package, console):
    jobs = [
        Job("last", ("note", "last"), ("first", "second")),
        Job("first", ("note", "first")),
        Job("second", ("note", "second")),
    ]
    run_jobs(jobs, package / "logs", console, n_parallel=3)
    assert (package / "order").read_text().split()[-1] == "last"
    assert (package / "logs" / "first.log").read_text() == "hello from first 1\n"
    assert os.environ.get("OMP_NUM_THREADS") != "0"


def test_what_is_done_is_not_done_again(package, console):
    jobs = [Job("only", ("note", "only"))]
    run_jobs(jobs, package / "logs", console)
    run_jobs(jobs, package / "logs", console)
    assert (package / "order").read_text() == "only "


def test_what_was_done_with_another_command_is_done_again(package, console):
    run_jobs([Job("only", ("note", "quick"))], package / "logs", console)
    run_jobs([Job("only", ("note", "whole"))], package / "logs", console)
    assert (package / "order").read_text() == "quick whole "


def test_a_failure_names_the_job_and_ends_the_run(package, console):
    jobs = [Job("fail", ("note", "fail")), Job("after", ("note", "after"), ("fail",))]
    with pytest.raises(JobFailed, match=r"fail ended with 1: hello from fail"):
        run_jobs(jobs, package / "logs", console)
    assert (package / "order").read_text() == "fail "
