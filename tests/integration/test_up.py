"""``sluice up --http`` for real, and how the commands that hold servers end with Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import psutil
import pytest

from sluice.config import KafkaConfig
from sluice.http import Client
from sluice.kafka import recognise
from sluice.local.broker import EmbeddedBroker
from sluice.local.triton import TritonServer
from sluice.schema import Post
from tests.engine.api.test_feedback import read_topic

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("triton_files")]

PATIENCE_S = 60.0
"""For a command to end; the aim is 2 s, and what it takes is printed."""


@contextmanager
def running(environ: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, which ends with the block."""
    command = [sys.executable, "-m", "sluice", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_line(process: subprocess.Popen[str], part: str) -> str:
    """The first line on either stream with that in it; both are read on, lest the command wait for a reader."""
    found, lines = threading.Event(), list[str]()

    def read(stream: IO[str]) -> None:
        for line in stream:
            if part in line and not found.is_set():
                lines.append(line)
                found.set()

    for stream in (process.stdout, process.stderr):
        assert stream is not None
        threading.Thread(target=read, args=(stream,), daemon=True).start()
    assert found.wait(PATIENCE_S * 3), f"{part!r} never came"
    return lines[0]


def interrupt(process: subprocess.Popen[str], name: str) -> int:
    """Press Ctrl-C; the exit code, after everything that the command had started is gone too."""
    family = psutil.Process(process.pid).children(recursive=True)
    start = time.perf_counter()
    process.send_signal(signal.SIGINT)
    code = process.wait(PATIENCE_S)
    print(f"{name}: ended {time.perf_counter() - start:.2f} s after Ctrl-C with {code}")
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []
    return code


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Somebody's terminal."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    return {**kept, "XDG_DATA_HOME": str(tmp_path)}


def test_up_with_http_answers_keeps_suggestions_and_ends(environ: dict[str, str]) -> None:
    """With a Triton of its own, as people start it."""
    with running(environ, "up", "--http", "--json") as process:
        addresses = json.loads(wait_for_line(process, "{"))
        with Client(addresses["http"]) as client:
            assert client.score(Post(id="p-1", text="See you at lunch")).decision == "allow"
        suggestion = {"comment": {"text": "hello"}, "attributeScores": {"TOXICITY": {}}}
        url = f"{addresses['http']}/v1alpha1/comments:suggestscore"
        assert httpx.post(url, json=suggestion, timeout=PATIENCE_S).status_code == 200
        (kept,) = read_topic(recognise(KafkaConfig(addresses["kafka"])))
        assert kept["comment"]["text"] == "hello"
        assert interrupt(process, "up") == 130


@pytest.mark.parametrize(
    ("command", "until", "code"),
    [
        (["demo", "--json", "--posts", "{posts}"], '{"post_id"', 130),
        (["demo", "--json"], "starting the broker", 130),
        (["score", "{posts}", "--json"], '{"post_id"', 130),
        (["serve", "--port", "0"], "listening on", 130),
    ],
    ids=["demo", "demo while it starts", "score", "serve"],
)
def test_ctrl_c_ends_a_command_and_what_it_started(
    command: list[str], until: str, code: int, environ: dict[str, str], triton_server: TritonServer, tmp_path: Path
) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_text("".join(json.dumps({"id": f"p-{n}", "text": f"Number {n}"}) + "\n" for n in range(20_000)))
    arguments = [each.format(posts=posts) for each in command]
    with running(environ, *arguments, "--triton", triton_server.address) as process:
        wait_for_line(process, until)
        assert interrupt(process, arguments[0]) == code


def test_ctrl_c_ends_a_worker_that_has_done_its_posts(
    environ: dict[str, str], triton_server: TritonServer, embedded_broker: EmbeddedBroker
) -> None:
    settings = {"SLUICE_KAFKA": embedded_broker.kafka.bootstrap, "SLUICE_TRITON": triton_server.address,
                "SLUICE_GROUP": "interrupted", "SLUICE_METRICS_PORT": "0"}  # fmt: skip
    with running({**environ, **settings}, "worker", "--log-format", "json") as process:
        wait_for_line(process, '"message": "ready"')
        assert interrupt(process, "worker") == 0
