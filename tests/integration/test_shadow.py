"""Shadow and backtest say of a policy what a live worker with that policy does, post by post: on a real Kafka."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from sluice.backtest.changes import decide_anew, read_said
from sluice.client import Publisher, open_topic
from sluice.config import KafkaConfig, Topics
from sluice.kafka import ensure_topics
from sluice.local.kafka import NativeKafka
from sluice.local.processes import python_path
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Media, Post, Verdict
from sluice.shadow.record import ShadowRecord
from sluice.verdict.policy_set import load_policies
from tests.components import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

SENTENCES = (
    "See you at lunch, the usual place.",
    "I will find you and hurt you.",
    "Buy followers now, cheap and fast, click here!",
    "You are an idiot.",
    "สวัสดีครับ วันนี้อากาศดี",
    "明天一起吃饭吧。",
)
STRICT = """\
name: strict
version: 7
extends: default
labels:
  harassment: {review: 0.05, block: 0.3}
  spam: {review: 0.02, image: {review: 0.9}}
  threat: off
rules:
- {name: new-in-chat, when: "author_standing == 'new' && surface == 'chat'", decision: review, queue: new}
- {name: pictured, when: "n_images > 0 && text_chars < 20", tags: [short]}
"""
CANARY = (
    "name: canary\nversion: 1\nextends: strict\napplies: {authors: 40%}\nfailed_rule: allow\nunscored_part: allow\n"
)

PATIENT = {"SLUICE_DEADLINE_MS": "120000", "SLUICE_MAX_DEADLINE_MS": "120000", "SLUICE_SESSION_TIMEOUT_S": "130"}
"""What is late depends on the clock, and would be decided otherwise."""


def make_posts() -> list[Post]:
    picture = io.BytesIO()
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(picture, "PNG")
    drawn = Media("data:image/png;base64," + base64.b64encode(picture.getvalue()).decode())
    broken = Media("data:image/png;base64,AAAA")
    return [
        Post(
            id=f"p-{n}",
            text=f"{SENTENCES[n % len(SENTENCES)]} {n}",
            images=(drawn,) if n % 5 == 0 else (broken,) if n % 7 == 0 else (),
            author_id=f"u-{n % 11}",
            author_standing="new" if n % 4 == 0 else None,
            surface="chat" if n % 3 else "wall",
        )
        for n in range(60)
    ]


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    folder = tmp_path / "strict"
    folder.mkdir()
    (folder / "strict.yaml").write_text(STRICT)
    (folder / "canary.yaml").write_text(CANARY)
    return folder


@pytest.fixture
def live(kafka_broker: NativeKafka) -> KafkaConfig:
    names = ("posts", "verdicts", "reviews", "dead-letters", "policies")
    topics = replace(Topics(*(f"shadow.{name}" for name in names)), shadow="shadow.compared")
    kafka = KafkaConfig(kafka_broker.kafka.bootstrap, topics=topics)
    ensure_topics(kafka)
    return kafka


@pytest.fixture
def candidate(live: KafkaConfig, triton_server: TritonServer, policies: Path, tmp_path: Path) -> Iterator[KafkaConfig]:
    """Two workers on the same posts: the live one, and one with the other policies that writes elsewhere."""
    elsewhere = {name: f"candidate.{name}" for name in ("verdicts", "reviews", "dead_letters", "policies")}
    other = replace(live, topics=replace(live.topics, **elsewhere))
    settings = {**PATIENT, "SLUICE_GROUP": "candidate", "SLUICE_POLICY": str(policies)}
    with ExitStack() as workers:
        for name, kafka, environment in (
            ("live", live, {**PATIENT, "SLUICE_GROUP": "live"}),
            ("other", other, settings),
        ):
            folder = tmp_path / name
            config = StackConfig(folder, triton_repository(), kafka=kafka, triton=triton_server.address,
                                 worker_environment=environment)  # fmt: skip
            workers.enter_context(Stack(config))
        yield other


def read_verdicts(kafka: KafkaConfig) -> dict[str, Verdict]:
    with open_topic(kafka, kafka.topics.verdicts, 0.0, 30.0) as outcomes:
        found = [outcome.verdict() for outcome in outcomes.read_to_end()]
    return {verdict.post_id: verdict for verdict in found}


def has_all(kafka: KafkaConfig, n_posts: int) -> bool:
    return len(read_verdicts(kafka)) == n_posts


def read_compared(kafka: KafkaConfig) -> dict[str, ShadowRecord]:
    with open_topic(kafka, kafka.topics.shadow, 0.0, 30.0) as outcomes:
        found = [msgspec.json.decode(outcome.value or b"", type=ShadowRecord) for outcome in outcomes.read_to_end()]
    return {record.post_id: record for record in found}


def run(kafka: KafkaConfig, *arguments: object) -> dict:
    environment = {
        **os.environ, **python_path(), "SLUICE_KAFKA": kafka.bootstrap, "SLUICE_TOPIC_VERDICTS": kafka.topics.verdicts,
        "SLUICE_TOPIC_SHADOW": kafka.topics.shadow,
    }  # fmt: skip
    command = [sys.executable, "-m", "sluice", *map(str, arguments), "--since", "1h", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_all_three_decide_every_post_alike(live: KafkaConfig, candidate: KafkaConfig, policies: Path) -> None:
    posts = make_posts()
    with Publisher(live) as publisher:
        for post in posts:
            publisher.publish(post)
    for kafka in (live, candidate):
        wait_for(partial(has_all, kafka, len(posts)), f"all of {kafka.topics.verdicts}")
    expected = {name: read_said(verdict) for name, verdict in read_verdicts(candidate).items()}
    backtested = load_policies(policies)
    assert {name: decide_anew(backtested, verdict) for name, verdict in read_verdicts(live).items()} == expected
    by_policy = run(live, "shadow", "--policy", policies, "--for", "1s")
    compared = read_compared(live)
    for name, said in expected.items():
        shadow = compared[name].shadow
        assert (shadow.decision, shadow.labels, shadow.rules) == (said.decision, said.labels, said.rules)
    assert {record.shadow.policy for record in compared.values()} == {"strict 7", "canary 1"}
    by_worker = run(live, "shadow", "--verdicts-topic", candidate.topics.verdicts, "--for", "1s")
    backtest = run(live, "backtest", "--policy", policies)
    assert by_policy["turns"] == by_worker["turns"] == backtest["turns"]
    assert by_policy["changed"] > 0
