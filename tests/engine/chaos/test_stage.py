"""What the stage tells its workers, and what it leaves behind. The servers themselves: tests/chaos."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sluice.chaos.controls import INTAKES
from sluice.chaos.stage import CONTROLS, DEADLINE_MS, Stage, StageConfig
from sluice.config import KafkaConfig, Topics
from sluice.errors import StackError
from sluice.local.stack import WORKER_COMMAND
from sluice.settings import load_settings

EXISTING = KafkaConfig("k1:9092", topics=Topics("run.posts"))

pytestmark = pytest.mark.usefixtures("triton_files")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(StageConfig(tmp_path, EXISTING.topics, EXISTING))


def test_a_worker_reaches_triton_by_the_link_and_reads_the_runs_topics(stage: Stage, tmp_path: Path) -> None:
    worker = stage.make_worker("one")
    settings = load_settings(worker._worker_environment(30))
    assert settings.kafka == EXISTING
    assert settings.inference.triton == stage.link.address != stage.triton.address
    assert settings.agent.group == "run.posts"
    assert (settings.pipeline.deadline_ms, settings.pipeline.max_deadline_ms) == (DEADLINE_MS, DEADLINE_MS)
    assert worker.config.state_dir == tmp_path / "one"
    assert worker.config.worker_command == WORKER_COMMAND


@pytest.mark.parametrize("kind", CONTROLS)
def test_a_control_is_a_worker_of_its_own_on_topics_of_its_own(stage: Stage, kind: str) -> None:
    control = stage.make_control(kind, Topics("other.posts"))
    assert control.config.worker_command == (sys.executable, "-m", "sluice.chaos.controls", kind)
    assert control.kafka == replace(EXISTING, topics=Topics("other.posts"))
    assert load_settings(control._worker_environment(30)).agent.group == "other.posts"


def test_every_control_can_be_run() -> None:
    assert tuple(INTAKES) == CONTROLS


def test_brokers_of_others_are_not_started(stage: Stage, tmp_path: Path) -> None:
    assert stage.brokers is None
    assert stage.kafka == EXISTING
    own = Stage(StageConfig(tmp_path, EXISTING.topics))
    assert own.brokers is not None
    assert own.brokers.n_brokers == 3


def test_a_stage_that_cannot_start_leaves_nothing_running(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StackError("no topics")

    monkeypatch.setattr("sluice.chaos.stage.ensure_topics", fail)
    with pytest.raises(StackError, match="no topics"):
        stage.__enter__()
    assert stage.triton.pid is None
    for url in (f"http://{stage.link.address}", stage.silence.url):
        address = urlsplit(url)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.hostname, address.port), timeout=30)
