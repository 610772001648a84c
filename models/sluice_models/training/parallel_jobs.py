"""Runs commands that need one another in parallel processes, one per core, each on one thread."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from sluice.errors import SluiceError

POLL_S = 1.0
REPORT_EVERY_S = 60.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class JobFailed(SluiceError):
    """A process of a run ended with an error; its log says why."""


@dataclass(frozen=True)
class Job:
    """``python -m command...``, once all jobs that it needs are done."""

    name: str
    command: tuple[str, ...]
    needs: Sequence[str] = ()


def run_jobs(jobs: Sequence[Job], logs: Path, console: Console, n_parallel: int | None = None) -> None:
    """Run all jobs, each as soon as it may; what each says goes to a file of its own in `logs`.

    A job that finished in an earlier run of the same folder, with the same command, is not run again.

    Raises
    ------
    JobFailed
        At the first that fails; the others are stopped and go on from their checkpoints next time.
    """
    logs.mkdir(parents=True, exist_ok=True)
    done = {job.name for job in jobs if _is_done(logs, job)}
    waiting = [job for job in jobs if job.name not in done]
    running: dict[str, subprocess.Popen[bytes]] = {}
    reported_s = 0.0
    try:
        while waiting or running:
            while len(running) < (n_parallel or os.cpu_count() or 1) and (job := _next(waiting, done)):
                waiting.remove(job)
                running[job.name] = _start(job, logs)
                console.print(f"{job.name}: started, see {logs / job.name}.log")
            for job in [job for job in jobs if job.name in running and running[job.name].poll() is not None]:
                _finish(job, running.pop(job.name).returncode, logs, console)
                done.add(job.name)
            if time.monotonic() - reported_s > REPORT_EVERY_S:
                reported_s = time.monotonic()
                for name in running:
                    console.print(f"{name}: {_last_line(logs / f'{name}.log')}")
            time.sleep(POLL_S)
    finally:
        for process in running.values():
            process.terminate()


def _next(waiting: Sequence[Job], done: set[str]) -> Job | None:
    return next((job for job in waiting if set(job.needs) <= done), None)


def _start(job: Job, logs: Path) -> subprocess.Popen[bytes]:
    with (logs / f"{job.name}.log").open("ab") as log:
        command = [sys.executable, "-m", *job.command]
        return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **ONE_THREAD})


def _finish(job: Job, code: int, logs: Path, console: Console) -> None:
    if code:
        raise JobFailed(f"{job.name} ended with {code}: {_last_line(logs / f'{job.name}.log')}")
    _mark(logs, job).write_text(shlex.join(job.command), "utf-8")
    console.print(f"{job.name}: done")


def _is_done(logs: Path, job: Job) -> bool:
    mark = _mark(logs, job)
    return mark.exists() and mark.read_text("utf-8") == shlex.join(job.command)


def _mark(logs: Path, job: Job) -> Path:
    return logs / f"{job.name}.done"


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
