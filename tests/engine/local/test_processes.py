"""Children start, are waited for, and end, with all that they started, however their owner ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from sluice.errors import StackError
from sluice.local.processes import ChildProcess, accepts_tcp, answers_http, find_free_ports, make_way
from tests.components import wait_for

PATIENCE_S = 20.0


def run_python(code: str, log: Path, grace_s: float = 10.0) -> ChildProcess:
    return ChildProcess("a child", [sys.executable, "-c", code], log, "127.0.0.1:1", grace_s=grace_s)


def wait_for_text(child: ChildProcess, text: str) -> str:
    child.wait_until_ready(lambda: text in child.log.read_text(), PATIENCE_S)
    return child.log.read_text()


def assert_gone(*pids: int) -> None:
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(left, timeout=PATIENCE_S)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
WITH_GRANDCHILD = (
    "import subprocess, sys, time\n"
    f"child = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], stdout=subprocess.PIPE)\n"
    "child.stdout.readline(); print('grandchild', child.pid, '.', flush=True)\n"
    "time.sleep(600)"
)


def test_it_runs_until_it_is_stopped(tmp_path: Path) -> None:
    with run_python(SLEEP, tmp_path / "logs" / "child.log") as child:
        wait_for_text(child, "up")
        pid = child.pid
        child.check()
    assert pid is not None
    assert child.pid is None
    assert_gone(pid)
    child.stop()


def test_its_environment_and_folder_are_ours_and_what_was_asked(tmp_path: Path) -> None:
    code = "import os; print(os.environ['ASKED'], 'PATH' in os.environ, os.getcwd())"
    child = ChildProcess(
        "a child", [sys.executable, "-c", code], tmp_path / "log", "-", environment={"ASKED": "yes"}, folder=tmp_path
    )
    with child:
        assert f"yes True {tmp_path.resolve()}" in wait_for_text(child, "\n")


def test_an_early_end_names_address_log_and_status(tmp_path: Path) -> None:
    code = "import sys; print('first error of many'); print('.\\n' * 50); print('out of luck'); sys.exit(3)"
    with run_python(code, tmp_path / "log") as child, pytest.raises(StackError) as caught:
        child.wait_until_ready(lambda: False, PATIENCE_S)
    message = str(caught.value)
    assert "a child at 127.0.0.1:1" in message
    assert str(tmp_path / "log") in message
    assert "status 3" in message
    assert "first error of many" in message
    assert message.endswith("out of luck")


def test_the_end_of_an_earlier_run_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("an error of yesterday\n")
    with run_python("print('today')", tmp_path / "log") as child, pytest.raises(StackError) as caught:
        child.wait_until_ready(lambda: False, PATIENCE_S)
    assert "yesterday" not in str(caught.value)
    assert "today" in str(caught.value)


def test_what_is_never_ready_ends_the_wait(tmp_path: Path) -> None:
    with run_python(SLEEP, tmp_path / "log") as child, pytest.raises(StackError, match=r"not ready within 0\.1 s"):
        child.wait_until_ready(lambda: False, 0.1)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    child = ChildProcess("a child", [str(tmp_path / "nothing")], tmp_path / "log", "-")
    with pytest.raises(StackError, match="nothing"):
        child.start()
    child.stop()


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with run_python(STUBBORN, tmp_path / "log", grace_s=0.2) as child:
        wait_for_text(child, "up")
        pid = child.pid
    assert pid is not None
    assert_gone(pid)


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    with run_python(WITH_GRANDCHILD, tmp_path / "log", grace_s=0.2) as child:
        grandchild = int(wait_for_text(child, " .").split()[1])
    assert_gone(grandchild)


def test_a_crash_is_noticed_where_a_stop_is_not(tmp_path: Path) -> None:
    with run_python(SLEEP, tmp_path / "log") as child:
        wait_for_text(child, "up")
        child.crash()
        with pytest.raises(StackError, match="status -9"):
            child.check()
        child.stop()
        child.check()


def test_a_killed_child_can_start_again(tmp_path: Path) -> None:
    with run_python(SLEEP, tmp_path / "log") as child:
        wait_for_text(child, "up")
        child.kill()
        assert child.pid is None
        child.start()
        child.wait_until_ready(lambda: child.log.read_text().count("up") == 2, PATIENCE_S)


def test_terminate_does_not_wait(tmp_path: Path) -> None:
    with run_python(STUBBORN, tmp_path / "log", grace_s=0.2) as child:
        wait_for_text(child, "up")
        child.terminate()
        assert child.pid is not None


OWNER = f"""
import sys, time
from pathlib import Path
from sluice.local.processes import ChildProcess
segment = Path("/dev/shm") / (sys.argv[2] + "segment")
child = ChildProcess("a child", [sys.executable, "-c", {WITH_GRANDCHILD!r}], Path(sys.argv[1]), "-",
                     grace_s=0.5, shared_memory=sys.argv[2])
with child:
    child.wait_until_ready(lambda: " ." in child.log.read_text(), 20)
    segment.touch()
    print(child.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="/dev/shm exists on Linux only")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_nothing_outlives_its_owner(tmp_path: Path, number: signal.Signals) -> None:
    prefix = f"sluice-test-{os.getpid()}-{number.name}-"
    command = [sys.executable, "-c", OWNER, str(tmp_path / "log"), prefix]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        family = [process.pid for process in psutil.Process(owner.pid).children(recursive=True)]
        owner.send_signal(number)
    assert child in family
    assert len(family) == 3  # the child, its own child, the guard
    assert_gone(*family)
    assert list(Path("/dev/shm").glob(f"{prefix}*")) == []


def test_free_ports_differ_and_are_free() -> None:
    ports = find_free_ports(5)
    assert len(set(ports)) == 5
    assert not any(accepts_tcp(port) for port in ports)


def test_a_port_in_use_accepts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert accepts_tcp(server.getsockname()[1])


def test_only_a_200_is_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        answers = [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 503 Not Yet\r\n\r\n", b"no HTTP at all\r\n\r\n", b""]
        thread = threading.Thread(target=_answer_in_turn, args=(server, answers))
        thread.start()
        assert [answers_http(url) for _ in answers] == [True, False, False, False]
        thread.join()
    assert not answers_http(url)


def _answer_in_turn(server: socket.socket, answers: list[bytes]) -> None:
    for answer in answers:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)


def test_a_suspended_child_goes_on_when_it_is_resumed(tmp_path: Path) -> None:
    with ChildProcess("child", ["sleep", "600"], tmp_path / "log", "nowhere") as child:
        process = psutil.Process(child.pid)
        child.suspend()
        wait_for(lambda: process.status() == psutil.STATUS_STOPPED, "the child stands still")
        child.resume()
        wait_for(lambda: process.status() == psutil.STATUS_SLEEPING, "the child goes on")


def read_niceness_of_session(pid: int | None) -> int:
    return int(Path(f"/proc/{pid}/autogroup").read_text().split()[-1])


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this Linux does not group sessions")
def test_a_childs_session_makes_way_for_others(tmp_path: Path) -> None:
    with ChildProcess("child", ["sleep", "600"], tmp_path / "log", "nowhere", niceness=5) as child:
        assert read_niceness_of_session(child.pid) == 5


def test_where_sessions_are_not_grouped_nothing_is_asked_for() -> None:
    make_way(-1, 5)


def test_one_that_was_never_started_has_nothing_to_signal(tmp_path: Path) -> None:
    child = ChildProcess("child", ["sleep", "600"], tmp_path / "log", "nowhere")
    for signal_it in (child.terminate, child.suspend, child.resume, child.kill, child.stop):
        signal_it()
    assert child.pid is None
