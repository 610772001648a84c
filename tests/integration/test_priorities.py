"""Posts that come first have workers of their own, beside those of all others, and a Triton where there is one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sluice.config import Topics
from sluice.local.kafka import NativeKafka
from sluice.local.processes import python_path
from sluice.local.stack import Stack, StackConfig, kafka_environment
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from tests.integration.test_processes import read_series

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

COMMAND = (sys.executable, "-m", "sluice", "worker", "--high", "1")
TOPICS = Topics(**{name: f"high.{name}" for name in ("posts", "verdicts", "reviews", "dead_letters", "posts_high")})


@pytest.fixture
def own_triton(tmp_path: Path, triton_server: TritonServer) -> Iterator[TritonServer]:
    """A second Triton, whose models are version 2: verdicts say which of the two was asked."""
    repository = tmp_path / "models"
    for model in triton_repository().iterdir():
        shutil.copytree(model, repository / model.name, ignore=shutil.ignore_patterns("1"))
        (repository / model.name / "2").symlink_to((model / "1").resolve())
    with TritonServer(repository, tmp_path / "triton") as server:
        server.wait_until_ready(240)
        yield server


def test_posts_of_both_topics_get_their_verdicts(
    tmp_path: Path, triton_server: TritonServer, own_triton: TritonServer, kafka_broker: NativeKafka
) -> None:
    kafka = replace(kafka_broker.kafka, topics=TOPICS)
    settings = {"SLUICE_GROUP": "high", "SLUICE_DECODERS": "1", "SLUICE_TRITON_HIGH": own_triton.address}
    config = StackConfig(
        tmp_path, triton_repository(), kafka=kafka, triton=triton_server.address, worker_command=COMMAND,
        worker_environment=settings,
    )  # fmt: skip
    with Stack(config) as stack:
        environment = {**os.environ, **python_path(), **kafka_environment(kafka)}
        for number, more in enumerate(([], ["--high"])):
            command = [sys.executable, "-m", "sluice", "publish", "--text", "hello", "--id", f"p-{number}", "--wait"]
            done = subprocess.run([*command, "--json", *more], env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            verdict = json.loads(done.stdout)
            assert (verdict["post_id"], verdict["models"]["text_encoder"]) == (f"p-{number}", f"{number + 1}")
        lags = read_series(stack, "sluice_consumer_lag_messages")
    assert {place.split()[-1] for place in lags} | {place.split()[0] for place in lags} >= {
        TOPICS.posts, TOPICS.posts_high,
    }  # fmt: skip
