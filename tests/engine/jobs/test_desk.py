"""Jobs: their queue, their limits, their ends, and what is kept of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sluice.jobs.desk import Job, JobDesk, Limits, TooManyJobs
from sluice.jobs.order import RESULT
from tests.engine.jobs.scripted import make_launcher, make_order, until

FIGURES = 'print:{"posts": 7}'


class Desk(JobDesk):
    """With a clock that stands still."""

    def __init__(self, folder: Path, limits: Limits | None = None, **launching: float) -> None:
        self.now_s = 1000.0
        super().__init__(make_launcher(folder, **launching), limits, lambda: self.now_s)


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    yield made
    await made.close()


async def ended(job: Job) -> Job:
    await until(lambda: job.has_ended)
    return job


async def test_what_a_command_prints_is_the_result(desk: Desk) -> None:
    job = await ended(desk.submit(make_order("say:reading", FIGURES), "ann"))
    assert (job.state, job.exit_code, job.by, job.error) == ("done", 0, "ann", "")
    result = job.path(RESULT)
    assert result is not None
    assert result.read_text() == '{"posts": 7}\n'
    assert job.said.last == "reading"


async def test_a_broken_guard_is_a_result_and_no_failure(desk: Desk) -> None:
    job = await ended(desk.submit(make_order(FIGURES, "exit:1"), "ann"))
    assert (job.state, job.exit_code, job.has_result) == ("done", 1, True)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("say:sluice: Kafka does not answer", "exit:1"), "Kafka does not answer"),
        (("raise:what somebody wrote",), "it ended by an error that nobody foresaw: ValueError"),
        (("say:│ Invalid value: 7x │", "exit:2"), "refused: Invalid value: 7x"),
        (("print:{no json",), "it ended with exit code 0, without a result"),
        (("pass",), "it ended with exit code 0, without a result"),
        ((FIGURES, "exit:3"), "it ended with exit code 3, without a result"),
    ],
)
async def test_why_a_command_failed_is_said_without_content(desk: Desk, words: tuple[str, ...], error: str) -> None:
    job = await ended(desk.submit(make_order(*words), "ann"))
    assert (job.state, job.error) == ("failed", error)


async def test_what_a_command_takes_and_makes_lies_in_a_folder_of_its_own(desk: Desk) -> None:
    job = await ended(desk.submit(make_order(FIGURES, "write:<html>", page="page.html"), "ann"))
    page = job.path("page.html")
    assert page is not None
    assert page.read_text() == "<html>"
    assert oct(page.parent.stat().st_mode & 0o777) == "0o700"
    assert job.path("other.html") is None
    await desk.cancel(job)
    assert not page.parent.exists()
    assert desk.find(job.id) is None


async def test_lines_may_be_the_file(desk: Desk) -> None:
    job = await ended(desk.submit(make_order("print:{}", "print:{}", prints="labels.jsonl"), "ann"))
    assert (job.state, job.has_result) == ("done", False)
    lines = job.path("labels.jsonl")
    assert lines is not None
    assert lines.read_text() == "{}\n{}\n"


async def test_the_command_has_the_secrets_and_goes_behind_others(desk: Desk) -> None:
    job = desk.submit(make_order("say:up", "wait:{}", "environment:SECRET"), "ann")
    await until(lambda: job.said.last == "up")
    await desk.cancel(job)
    assert job.said.last == f"hush {max(10, os.getpriority(os.PRIO_PROCESS, 0))}"


async def test_one_that_runs_ends_as_with_ctrl_c(desk: Desk) -> None:
    job = desk.submit(make_order("say:up", "wait"), "ann")
    await until(lambda: job.said.last == "up")
    await desk.cancel(job)
    assert (job.state, job.said.last, job.has_result) == ("cancelled", "cleaned up", False)


async def test_what_it_still_prints_then_is_the_result(desk: Desk) -> None:
    job = desk.submit(make_order("say:up", 'wait:{"posts": 3}'), "ann")
    await until(lambda: job.said.last == "up")
    await desk.cancel(job)
    assert (job.state, job.has_result) == ("cancelled", True)


async def test_one_that_does_not_hear_is_killed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, stop_s=0.1)
    job = desk.submit(make_order("say:up", "deaf"), "ann")
    await until(lambda: job.said.last == "up")
    await desk.close()
    assert (job.state, job.said.last) == ("cancelled", "up")


async def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Limits(run_s=0.05))
    job = await ended(desk.submit(make_order("wait"), "ann"))
    assert (job.state, job.error) == ("failed", "it ran for more than 0 s, and was ended")
    slow = desk.submit(make_order("say:up", "wait", more_s=60), "ann")
    await until(lambda: slow.said.last == "up")
    await desk.close()


async def test_what_one_writes_is_bounded(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Limits(max_result_bytes=10), max_file_bytes=1000)
    told = desk.submit(make_order('print:{"posts": 12345}'), "ann")
    assert (await ended(told)).error == "it ended with exit code 0, without a result"
    job = desk.submit(make_order("say:up", "wait:{}", f"write:{'x' * 2000}", page="page.html"), "ann")
    await until(lambda: job.said.last == "up")
    await desk.cancel(job)
    page = job.path("page.html")
    assert page is not None
    assert (page.stat().st_size <= 1000, job.said.raised) == (True, "OSError")
    await desk.close()


async def test_some_wait_and_no_kind_holds_up_the_others(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Limits(n_running=2, n_waiting=2))
    first = desk.submit(make_order("wait", kind="shadow"), "ann")
    second = desk.submit(make_order("wait", kind="shadow"), "ann")
    other = desk.submit(make_order("wait", kind="drift"), "ann")
    assert [job.state for job in (first, second, other)] == ["running", "queued", "running"]
    third = desk.submit(make_order("wait", kind="erasure"), "ann")
    with pytest.raises(TooManyJobs, match="2 jobs wait already"):
        desk.submit(make_order("wait", kind="erasure"), "ann")
    await desk.cancel(first)
    assert [job.state for job in (first, second, third)] == ["cancelled", "running", "queued"]
    await desk.cancel(third)
    assert third.state == "cancelled"
    await desk.close()
    assert {job.state for job in (second, other)} == {"cancelled"}


async def test_one_that_is_ended_before_it_began_leaves_its_place(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Limits(n_running=1))
    first, second = desk.submit(make_order("wait"), "ann"), desk.submit(make_order(FIGURES), "ann")
    await desk.cancel(first)
    assert (first.state, (await ended(second)).state) == ("cancelled", "done")
    await desk.close()


async def test_results_are_kept_for_a_time_and_so_many(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Limits(n_kept=2, kept_s=60.0))
    jobs = [await ended(desk.submit(make_order(FIGURES), "ann")) for _ in range(3)]
    assert desk.jobs() == [jobs[2], jobs[1]]
    assert not jobs[0].folder.exists()
    desk.now_s += 61
    assert desk.jobs() == []
    await desk.close()


async def test_results_are_kept_within_so_many_bytes(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Limits(max_kept_bytes=20))
    jobs = [await ended(desk.submit(make_order(FIGURES), "ann")) for _ in range(3)]
    assert desk.jobs() == [jobs[2]]
    await desk.close()


async def test_nothing_is_left_when_it_is_closed(tmp_path: Path, desk: Desk) -> None:
    job = desk.submit(make_order("say:up", "wait"), "ann")
    await until(lambda: job.said.last == "up")
    await desk.close()
    assert (job.state, job.folder.parent.exists()) == ("cancelled", False)


async def test_a_command_that_is_not_there_is_said(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk._launcher = make_launcher(tmp_path).__class__((str(tmp_path / "none"),), {}, 1000, 1.0)
    job = await ended(desk.submit(make_order(FIGURES), "ann"))
    assert (job.state, job.error) == ("failed", "it could not be run: No such file or directory")
    await desk.close()


async def test_long_lines_and_what_steers_terminals_are_cut(desk: Desk) -> None:
    job = await ended(desk.submit(make_order(f"say:{'x' * 9000}", FIGURES), "ann"))
    assert job.said.last == "x" * 300
    other = await ended(desk.submit(make_order("say:a\x1b[2Jb", FIGURES), "ann"))
    assert other.said.last == "a[2Jb"
