"""Jobs that need one another, in parallel processes."""

import io
import os
import signal
import subprocess

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
        "if name == 'wait':\n"
        "    open('waits', 'w').close()\n"
        "    import time; time.sleep(60)\n"
        "while name == 'fail-late' and not os.path.exists('waits'):\n"
        "    pass\n"
        "sys.exit(name.startswith('fail'))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch):
    monkeypatch.setattr("sluice_models.training.parallel_jobs.POLL_S", 0.02)


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


def test_a_failure_stops_what_still_runs(package, console, monkeypatch):
    started = []

    class Recorded(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    jobs = [Job("wait", ("note", "wait")), Job("fail", ("note", "fail-late"))]
    with pytest.raises(JobFailed, match="fail ended with 1"):
        run_jobs(jobs, package / "logs", console, n_parallel=2)
    assert started[0].wait(timeout=60) == -signal.SIGTERM
    assert not (package / "logs" / "wait.done").exists()


def test_what_failed_is_tried_again_and_its_log_goes_on(package, console):
    for _ in range(2):
        with pytest.raises(JobFailed):
            run_jobs([Job("fail", ("note", "fail"))], package / "logs", console)
    assert (package / "logs" / "fail.log").read_text().count("hello from fail") == 2


def test_one_at_a_time_keeps_the_order_of_the_list(package, console):
    jobs = [Job(name, ("note", name)) for name in ("a", "b", "c")]
    run_jobs(jobs, package / "logs", console, n_parallel=1)
    assert (package / "order").read_text() == "a b c "


def test_what_runs_long_says_its_last_line(package, console, monkeypatch):
    monkeypatch.setattr("sluice_models.training.parallel_jobs.REPORT_EVERY_S", -1.0)
    run_jobs([Job("only", ("note", "only"))], package / "logs", console)
    assert "only: " in console.file.getvalue()
    assert "only: done" in console.file.getvalue()
