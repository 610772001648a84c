"""What the composition root does when a part of it is not there. How it works with all parts: tests/integration."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from prometheus_client import CollectorRegistry

from sluice import opening
from sluice.config import KafkaConfig, PictureTextConfig, SpeechConfig
from sluice.contract import FIRST_STAGE
from sluice.errors import InferenceUnavailable, PolicyError
from sluice.local.processes import python_path
from sluice.local.stack import kafka_environment
from sluice.metrics import Metrics
from sluice.opening import THREAD_NAME, _listening, open_pipeline
from sluice.settings import Settings, load_settings
from tests.components import require_module, wait_for
from tests.kserve import KServe, serving


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{unused.getsockname()[1]}"


@pytest.fixture
def settings(nobody: str) -> Settings:
    return load_settings({"SLUICE_TRITON": nobody, "SLUICE_START_TIMEOUT_S": "0.5"})


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def list_decoders(of: psutil.Process | None = None) -> list[str]:
    commands = [command_of(child) for child in (of or psutil.Process()).children(recursive=True)]
    return [" ".join(command) for command in commands if "sluice.decoding.child" in command]


async def open_and_fail(settings: Settings, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        async with open_pipeline(settings, Metrics(CollectorRegistry())):
            pytest.fail("it opened")


async def test_a_repository_that_cannot_read_pictures_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(KServe()) as port:
        settings = load_settings({"SLUICE_TRITON": f"127.0.0.1:{port}", "SLUICE_DECODERS": "1"})
        async with open_pipeline(settings, Metrics(CollectorRegistry())):
            pass
        said = [record.getMessage() for record in caplog.records if "text in pictures" in record.getMessage()]
        missing = "ocr_detector and no model ocr_recogniser"
        assert said == [f"text in pictures is not read: Triton has no model {missing}"]
        caplog.clear()
        unwanted = replace(settings, picture_text=PictureTextConfig(enabled=False))
        async with open_pipeline(unwanted, Metrics(CollectorRegistry())):
            pass
        assert "text in pictures" not in caplog.text


async def test_the_first_stage_is_asked_where_it_is_there_and_wanted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sluice.opening")
    server, names = KServe(), f"no text is cleared before it is read in full: Triton has no model {FIRST_STAGE.name}"
    async with serving(server) as port:
        settings = load_settings(
            {"SLUICE_TRITON": f"127.0.0.1:{port}", "SLUICE_DECODERS": "1", "SLUICE_FIRST_STAGE": "1"}
        )
        async with open_pipeline(settings, Metrics(CollectorRegistry())):
            assert names in caplog.messages
        server.specs[FIRST_STAGE.name] = FIRST_STAGE
        caplog.clear()
        async with open_pipeline(settings, Metrics(CollectorRegistry())):
            assert server.n_probes.pop(FIRST_STAGE.name) > 0
        unwanted = replace(settings, inference=replace(settings.inference, first_stage=False))
        async with open_pipeline(unwanted, Metrics(CollectorRegistry())):
            assert server.n_probes[FIRST_STAGE.name] == 0
        assert names not in caplog.messages


async def test_a_triton_that_does_not_answer_is_named_and_nothing_is_left(settings: Settings, nobody: str) -> None:
    await open_and_fail(settings, InferenceUnavailable, nobody)
    assert list_decoders() == []
    threads = [each for each in threading.enumerate() if each.name.startswith(THREAD_NAME)]
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


async def test_a_wrong_policy_is_told_before_anything_starts(settings: Settings, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: n\nversion: 1\nlabels: {threat: {review: 2}}\n")
    await open_and_fail(replace(settings, policy_path=wrong), PolicyError, r"wrong\.yaml:3")


async def wait_until(happened: Callable[[], bool]) -> None:
    while not happened():
        await asyncio.sleep(0.001)


def start_worker(kafka: KafkaConfig, nobody: str, timeout_s: float, **settings: str) -> subprocess.Popen[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")},
        **python_path(),
        **kafka_environment(kafka),
        "SLUICE_TRITON": nobody,
        "SLUICE_METRICS_PORT": "0",
        "SLUICE_START_TIMEOUT_S": str(timeout_s),
        **settings,
    }
    code = "from sluice.app import run_worker; from sluice.settings import load_settings; run_worker(load_settings())"
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=environment)


def test_a_worker_without_kafka_says_so_in_a_line_and_fails(nobody: str) -> None:
    worker = start_worker(KafkaConfig(nobody), nobody, 0.5)
    _, said = worker.communicate(timeout=120)
    assert worker.returncode == 1
    (line,) = [line for line in said.splitlines() if line.startswith("Kafka at")]
    assert nobody in line
    assert "Traceback" not in said


def test_a_wrong_policy_is_told_before_kafka_is_waited_for(nobody: str) -> None:
    worker = start_worker(KafkaConfig(nobody), nobody, 600, SLUICE_POLICY="/nowhere.yaml")
    _, said = worker.communicate(timeout=120)
    assert (worker.returncode, said) == (1, "/nowhere.yaml: No such file or directory\n")


def test_a_taken_port_is_told_before_kafka_is_waited_for(nobody: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        worker = start_worker(KafkaConfig(nobody), nobody, 600, SLUICE_METRICS_PORT=port)
        _, said = worker.communicate(timeout=120)
    assert worker.returncode == 1
    assert f"SLUICE_METRICS_PORT: cannot listen on 127.0.0.1:{port}" in said


async def test_what_does_not_answer_is_named_long_before_it_is_given_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opening.LATE_S <= 10.0
    monkeypatch.setattr(opening, "LATE_S", 0.0)
    with opening.saying_if_late("Kafka at k:9092", 60.0):
        await wait_until(lambda: bool(caplog.messages))
    assert caplog.messages[0].startswith("Kafka at k:9092 has not answered for 0 s; it is given up after 60 s")
    caplog.clear()
    with opening.saying_if_late("Kafka at k:9092", 60.0):
        pass
    await asyncio.sleep(0)
    assert caplog.messages == []


def test_a_worker_that_still_waits_for_triton_leaves_at_once_when_asked(kafka: KafkaConfig, nobody: str) -> None:
    worker = start_worker(kafka, nobody, 600)
    process = psutil.Process(worker.pid)
    wait_for(lambda: list_decoders(process), "it has started a decoder, and now waits for Triton")
    worker.send_signal(signal.SIGTERM)
    try:
        worker.communicate(timeout=60)
    finally:
        worker.kill()
    assert worker.returncode == 0


async def test_speech_is_transcribed_only_where_that_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_module("faster_whisper")
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path))
    async with _listening(SpeechConfig()) as listener:
        assert listener is None
    assert os.listdir(tmp_path) == []
    async with _listening(SpeechConfig(enabled=True)) as listener:
        assert listener is not None
        assert listener.pid is not None
    assert listener.pid is None
