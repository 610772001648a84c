"""``sluice explain``, on a broker and on a log."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from sluice.audit.explaining import Told, explain_from_topics
from sluice.basis import AuthorHistory, Basis
from sluice.cli import app
from sluice.cli.explain import describe
from sluice.config import KafkaConfig
from sluice.kafka import COPIED_HEADER, ensure_topics
from sluice.schema import RuleReason, encode
from tests.engine.audit.verdicts import make_verdict, publish


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def broker(kafka: KafkaConfig) -> KafkaConfig:
    """Two verdicts, one of them twice since another was erased, a person's decision, and a dead letter."""
    topics = kafka.topics
    ensure_topics(kafka, names=[topics.decisions])
    publish(kafka, make_verdict("p-1"), make_verdict("p-12"))
    producer = Producer({**kafka.librdkafka(), "linger.ms": 0})
    copied = [(COPIED_HEADER, b"0/0")]
    producer.produce(topics.verdicts, encode(make_verdict("p-1")), "p-1", 0, headers=copied)
    producer.produce(topics.decisions, b'{"post_id": "p-1", "decision": "allow", "decided_by": "team-2"}', "p-1")
    producer.produce(topics.decisions, b"{", "p-other")
    producer.produce(topics.dead_letters, b"{", "p-bad", headers=[("sluice-reason", b"not_json")])
    assert producer.flush(20) == 0
    return kafka


def test_what_the_topics_say(broker: KafkaConfig) -> None:
    result = run("explain", "p-1", "--json", "--kafka", broker.bootstrap)
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted(each["kind"] for each in told) == ["decision", "verdict", "verdict"]
    assert {each["says"]["post_id"] for each in told} == {"p-1"}
    (letter,) = map(json.loads, run("explain", "p-bad", "--json", "--kafka", broker.bootstrap).stdout.splitlines())
    assert (letter["kind"], letter["says"]["reason"]) == ("dead_letter", "not_json")


def test_what_the_log_says_is_the_same_and_each_verdict_once(broker: KafkaConfig, tmp_path: Path) -> None:
    assert run("audit", "follow", "-o", tmp_path, "--once", "--kafka", broker.bootstrap).exit_code == 0
    told = [json.loads(line) for line in run("explain", "p-1", "--audit", tmp_path, "--json").stdout.splitlines()]
    assert sorted(each["kind"] for each in told) == ["decision", "verdict"]
    (verdict,) = (each for each in told if each["kind"] == "verdict")
    assert verdict["says"] == json.loads(encode(make_verdict("p-1")))
    assert run("explain", "p-9", "--audit", tmp_path).exit_code == 1
    assert run("explain", "p-1", "--audit", tmp_path / "nowhere").exit_code == 1


def test_all_that_a_rule_asks_for_and_what_was_known_of_the_author_are_said() -> None:
    rule = RuleReason(rule="flood", rate_limit="10/h", webhook="spam-team", inputs={"author.posts_1m": 30})
    author = AuthorHistory(counted_at=1.0, posts_1m=30, strikes=2.5)
    verdict = msgspec.structs.replace(make_verdict("p-1"), rules=(rule,), basis=Basis(author=author))
    says = msgspec.to_builtins(verdict)
    text = "\n".join(describe(Told(kind="verdict", place="v/0/0", at_s=1.0, says=says)))
    assert "rule flood was true: rate_limit 10/h, webhook spam-team" in text
    assert "author before: counted_at 1.0, posts_1m 30, strikes 2.5" in text


def test_for_people(broker: KafkaConfig) -> None:
    lines = [line for told in explain_from_topics(broker, "p-1") for line in describe(told)]
    text = "\n".join(lines)
    for part in (
        "review, by policy shop 3 (SHA-256 abababababababab)", "hate 0.700 reached the threshold 0.600",
        "rule watched was true: queue hot", "looked at: author_id u-secret, scores.hate 0.7",
        "models: fusion 7, text_encoder 7", "decided_by: team-2",
    ):  # fmt: skip
        assert part in text
