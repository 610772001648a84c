"""``sluice up`` and ``sluice chaos`` around their servers: what is announced, watched and returned."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from sluice.chaos.report import ChaosReport, FaultRecord, ScenarioRecord
from sluice.chaos.run import ChaosConfig
from sluice.cli import app, stacks
from sluice.cli.options import BrokerChoice
from sluice.cli.stacks import StackOptions, _configure, open_state
from sluice.config import KafkaConfig, Topics
from sluice.connection import Connection, find_connection
from sluice.errors import InferenceUnavailable, StackError
from sluice.local.ports import Ports, remember_ports
from sluice.local.running import Running, note_running
from sluice.local.stack import Addresses


class StubStack:
    """A stack whose worker ends from the third time on that it is looked at."""

    def __init__(self, folder: Path) -> None:
        self.addresses = Addresses("127.0.0.1:9092", "127.0.0.1:8001", "http://127.0.0.1:9400")
        self.config = SimpleNamespace(state_dir=folder)
        self.wanted: StackOptions | None = None
        self.n_checks = 0
        self.is_stopped = False

    def check(self) -> None:
        self.n_checks += 1
        if self.n_checks >= 3:
            self.end()

    def end(self) -> None:
        raise StackError("the worker ended with status 1")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StubStack:
    stub = StubStack(tmp_path)

    @contextmanager
    def open_stub(wanted: StackOptions) -> Iterator[StubStack]:
        stub.wanted = wanted
        try:
            yield stub
        finally:
            stub.is_stopped = True

    monkeypatch.setattr(stacks, "open_stack", open_stub)
    monkeypatch.setattr("sluice.cli.up.CHECK_S", 0.0)
    monkeypatch.setenv("SLUICE_MEDIA_STORE", str(tmp_path / "media"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return stub


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{unused.getsockname()[1]}"


def run(*arguments: str):
    return CliRunner().invoke(app, [*arguments])


def test_the_addresses_are_one_json_object_where_a_program_reads(stack: StubStack, tmp_path: Path) -> None:
    result = run("up")
    assert json.loads(result.stdout) == {
        "kafka": "127.0.0.1:9092",
        "triton": "127.0.0.1:8001",
        "metrics": "http://127.0.0.1:9400/metrics",
        "media_store": str(tmp_path / "media"),
        "logs": str(tmp_path),
    }


def test_people_are_told_how_to_publish_read_and_stop(stack: StubStack) -> None:
    said = run("up").stderr
    assert "sluice publish --wait --text" in said
    assert "sluice verdicts --follow" in said
    assert "Ctrl-C" in said


def test_a_server_that_ends_is_named_and_the_others_are_stopped(stack: StubStack) -> None:
    result = run("up")
    assert result.exit_code == 1
    assert "sluice: the worker ended with status 1" in result.stderr
    assert stack.is_stopped


def test_options_reach_the_stack(stack: StubStack, tmp_path: Path) -> None:
    policy = tmp_path / "mine.yaml"
    policy.write_text("name: mine\nversion: 1\nlabels: {}\n")
    ports = ("--kafka-port", "9092", "--metrics-port", "9400", "--http-port", "8080")
    places = ("--policy", str(policy), "--state-dir", str(tmp_path / "s"))
    run("up", "--broker", "kafka", "--triton", "t:8001", *ports, *places)
    environment = {"SLUICE_MEDIA_STORE": str(tmp_path / "media"), "SLUICE_POLICY": str(policy)}
    assert stack.wanted == StackOptions(
        BrokerChoice.kafka, None, "t:8001", Ports(9092, 0, 9400, 8080), True, tmp_path / "s", environment
    )
    run("up")
    assert (stack.wanted.ports, stack.wanted.http) == (Ports(), False)


def test_ports_are_remembered_with_the_state(tmp_path: Path) -> None:
    remember_ports(tmp_path, Ports(kafka=9092, triton=8001))
    config = _configure(StackOptions(BrokerChoice.embedded, None, None, Ports(triton=7001)), tmp_path)
    assert config.ports == Ports(kafka=9092, triton=7001)


@pytest.mark.parametrize("server", ["triton", "kafka"])
def test_a_port_for_what_runs_already_is_wrong_usage(stack: StubStack, server: str) -> None:
    result = run("up", f"--{server}", "there:8001", f"--{server}-port", "8001")
    assert (result.exit_code, f"--{server}-port" in result.stderr, stack.wanted) == (2, True, None)


def test_a_wrong_policy_is_told_before_anything_starts(stack: StubStack) -> None:
    result = run("up", "--policy", "/nowhere.yaml")
    assert (result.exit_code, result.stderr) == (1, "sluice: /nowhere.yaml: No such file or directory\n")
    assert stack.wanted is None


def test_other_commands_find_the_stack_while_it_runs(
    stack: StubStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLUICE_KAFKA", raising=False)
    found: list[Connection] = []

    def look() -> None:
        found.append(find_connection(None))
        stack.end()

    monkeypatch.setattr(stack, "check", look)
    assert find_connection(None).kafka == KafkaConfig()
    stack.addresses = Addresses("127.0.0.1:7777", "127.0.0.1:8001", "http://127.0.0.1:9400")
    run("up")
    assert [(one.kafka.bootstrap, one.media_store) for one in found] == [("127.0.0.1:7777", str(tmp_path / "media"))]
    assert find_connection(None).kafka == KafkaConfig()


def test_a_kafka_that_is_named_counts_more_than_a_stack_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with note_running(tmp_path / "sluice" / "running", Running("r:1", "t:1", "m", "/running")):
        assert find_connection("k:1").kafka.bootstrap == "k:1"
        monkeypatch.setenv("SLUICE_KAFKA", "env:1")
        assert find_connection(None).kafka.bootstrap == "env:1"
        monkeypatch.delenv("SLUICE_KAFKA")
        assert find_connection(None).kafka.bootstrap == "r:1"


@pytest.mark.parametrize("port", ["-1", "65536", "many"])
def test_a_port_that_is_none_is_wrong_usage(stack: StubStack, port: str) -> None:
    assert run("up", "--metrics-port", port).exit_code == 2
    assert stack.wanted is None


def test_an_existing_kafka_is_reached_as_the_environment_says(
    kafka: KafkaConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_TOPIC_POSTS", "mine")
    config = _configure(StackOptions(BrokerChoice.embedded, kafka.bootstrap, None), tmp_path)
    assert config.kafka == KafkaConfig(kafka.bootstrap, topics=Topics("mine"), embedded=True)
    assert config.state_dir == tmp_path
    assert _configure(StackOptions(BrokerChoice.kafka, None, None), tmp_path).kafka is None


def test_a_kafka_that_does_not_answer_is_named_before_anything_starts(
    nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice.connection.MAX_CONNECT_S", 0.1)
    result = run("up", "--kafka", nobody)
    assert result.exit_code == 1
    assert f"sluice: Kafka at {nobody}: " in result.stderr


def test_a_triton_that_does_not_answer_is_named_within_ten_seconds(nobody: str) -> None:
    with pytest.raises(InferenceUnavailable, match=f"Triton at {nobody} does not answer: Connection refused"):
        stacks.require_triton(nobody, 0.1)


def test_a_triton_that_comes_up_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as triton:
        stacks.require_triton(f"127.0.0.1:{triton.getsockname()[1]}")


@pytest.mark.parametrize("command", ["up", "demo", "score"])
def test_an_address_that_is_none_is_named(command: str, tmp_path: Path) -> None:
    (tmp_path / "posts.jsonl").write_text("")
    result = run(command, *([str(tmp_path / "posts.jsonl")] if command == "score" else []), "--triton", "nowhere")
    assert (result.exit_code, "sluice: --triton nowhere: not HOST:PORT" in result.stderr) == (1, True)


def test_a_folder_for_one_run_goes_with_it() -> None:
    with suppress(KeyboardInterrupt), open_state(None) as folder:
        (folder / "worker.log").write_text("x")
        raise KeyboardInterrupt
    assert not folder.exists()


def test_after_a_failure_the_logs_that_the_error_names_stay_and_nothing_else() -> None:
    with suppress(StackError), open_state(None) as folder:
        (folder / "kafka-1" / "data").mkdir(parents=True)
        for name in ("worker.log", "kafka-1/kafka.log", "kafka-1/data/posts", "media"):
            (folder / name).write_text("x")
        raise StackError("no Triton")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == [
        "kafka-1", "kafka-1/kafka.log", "worker.log",
    ]  # fmt: skip
    shutil.rmtree(folder)


PASSED = ChaosReport(
    minutes=0.5, seed=3, n_workers=2, n_posts=100, n_lost=0, n_duplicates=1, n_different=0, different_fields=(),
    n_late=0, n_dead_letters=2, n_unexpected_dead_letters=0, faults=(FaultRecord("worker killed", 1.0, 0.0, 4.0),),
    scenarios=(ScenarioRecord("ordered", False, 10, 0), ScenarioRecord("unordered", True, 10, 4)), peak_memory_mb={},
)  # fmt: skip
LOST = ChaosReport(**{name: getattr(PASSED, name) for name in PASSED.__struct_fields__} | {"n_lost": 2})


@pytest.fixture
def chaos(monkeypatch: pytest.MonkeyPatch):
    """The command with a run that comes to a report; gives what it was configured with."""
    configured: list[ChaosConfig] = []

    def run_chaos(config, state_dir, say) -> ChaosReport:
        configured.append(config)
        say("starting")
        return LOST if config.seed == 13 else PASSED

    monkeypatch.setattr("sluice.chaos.run.run_chaos", run_chaos)
    return configured


def test_a_run_without_losses_is_exit_code_0(chaos: list[ChaosConfig]) -> None:
    result = run("chaos", "--minutes", "0.5", "--seed", "3", "--rate", "20", "--workers", "3")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "worker killed" in result.stderr
    assert chaos == [ChaosConfig(0.5, 3, 20.0, 3)]


def test_a_loss_is_exit_code_1_and_named(chaos: list[ChaosConfig]) -> None:
    result = run("chaos", "--seed", "13", "--json")
    assert result.exit_code == 1
    assert "sluice: 2 posts were lost" in result.stderr
    assert json.loads(result.stdout)["problems"] == ["2 posts were lost"]


def test_brokers_of_others_are_named(chaos: list[ChaosConfig]) -> None:
    run("chaos", "--kafka", "k1:9092")
    assert chaos[0].kafka is not None
    assert chaos[0].kafka.bootstrap == "k1:9092"


@pytest.mark.parametrize("option", [["--minutes", "0"], ["--seed", "-1"], ["--rate", "0"], ["--workers", "0"]])
def test_impossible_runs_are_wrong_usage(chaos: list[ChaosConfig], option: list[str]) -> None:
    assert run("chaos", *option).exit_code == 2
    assert chaos == []
