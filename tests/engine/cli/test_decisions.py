"""``sluice decisions``, ``sluice drift`` and calibrating from topics, on a broker."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

import sluice
from sluice.cli import app
from sluice.config import KafkaConfig
from sluice.human_decision import HumanDecision
from sluice.kafka import ensure_topics
from sluice.schema import LABELS, Post, Verdict, encode
from tests.engine.cli.verdicts import make_reason, make_verdict

DECISIONS = (
    HumanDecision(post_id="a", decision="block", labels={"hate": 1}, occasion="sample"),
    HumanDecision(post_id="b", decision="block"),
    HumanDecision(post_id="b", decision="allow", occasion="appeal"),
    HumanDecision(post_id="c", decision="block"),
    HumanDecision(post_id="nowhere", decision="allow"),
)
VERDICTS = (
    make_verdict("a", "allow"),
    make_verdict("b", "block", reasons=(make_reason("hate", 0.9),)),
    make_verdict("c", "review"),
)


@pytest.fixture
def broker(kafka: KafkaConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KafkaConfig:
    monkeypatch.chdir(tmp_path)
    ensure_topics(kafka, names=[kafka.topics.decisions])
    publish(kafka, *VERDICTS)
    Path("decisions.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, DECISIONS)))
    result = run(kafka, "decisions", "publish", "decisions.jsonl")
    assert result.exit_code == 0, result.output
    assert "5 decisions: moderation.decisions" in result.stderr
    return kafka


def publish(kafka: KafkaConfig, *verdicts: Verdict, age_s: float = 1.0) -> None:
    producer = Producer(kafka.librdkafka())
    for verdict in verdicts:
        producer.produce(kafka.topics.verdicts, encode(verdict), timestamp=int((time.time() - age_s) * 1000))
    producer.flush(30)


def run(kafka: KafkaConfig, *arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--kafka", kafka.bootstrap])


def test_how_often_people_overrule_verdicts(broker: KafkaConfig) -> None:
    result = run(broker, "decisions", "report", "--json", "-o", "page.html")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert {rate["name"]: rate["overruled"] for rate in figures["by_decision"]} == {"allow": 1, "review": 0, "block": 1}
    assert "left out: 1 decisions on posts without a verdict in this time" in result.stderr
    assert "Picked at random" in Path("page.html").read_text()
    assert "picked at random" in run(broker, "decisions", "report").stderr


def test_a_limit_is_broken_where_even_the_lower_end_of_the_interval_is_above_it(broker: KafkaConfig) -> None:
    arguments = ("decisions", "report", "--prometheus", "overruled.prom", "--limit")
    assert run(broker, *arguments, "0.25").exit_code == 0, "one of one: at least a fifth"
    result = run(broker, *arguments, "0.2")
    assert (result.exit_code, "more than 20.0% are overruled" in result.stderr) == (1, True)
    assert 'sluice_overruled_ratio{verdict="allow"} 1.0' in Path("overruled.prom").read_text()


def test_labels_come_with_texts_for_training(broker: KafkaConfig) -> None:
    producer = Producer(broker.librdkafka())
    for post in (Post(id="a", text="what a says"), Post(id="a", tenant="other", text="another's")):
        producer.produce(broker.topics.posts, encode(post), post.id)
    producer.produce(broker.topics.posts, b"{no post", "b")
    assert producer.flush(30) == 0
    result = run(broker, "decisions", "labels", "--texts")
    assert result.exit_code == 0, result.output
    (line,) = map(json.loads, result.stdout.splitlines())
    assert line == {"post_id": "a", "labels": {"hate": 1}, "text": "what a says"}
    assert "left out: 1 posts without a text, or that are not in Kafka any more" in result.stderr


def test_decisions_are_published_from_python(broker: KafkaConfig) -> None:
    with sluice.DecisionPublisher(broker) as publisher:
        publisher.publish(sluice.HumanDecision(post_id="c", decision="allow"))
    printed = map(json.loads, run(broker, "decisions", "labels").stdout.splitlines())
    assert "c" in {line["post_id"] for line in printed}


def test_decisions_become_labels(broker: KafkaConfig) -> None:
    result = run(broker, "decisions", "labels")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {line["post_id"]: line["labels"] for line in lines} == {"a": {"hate": 1}, "b": dict.fromkeys(LABELS, 0)}
    assert "left out: 1 blocked posts of which nobody said what they are" in result.stderr
    publish(broker, make_verdict("nowhere", "allow"))
    hard = run(broker, "decisions", "labels", "--overruled").stdout.splitlines()
    assert {json.loads(line)["post_id"] for line in hard} == {"a", "b"}


def test_thresholds_are_calibrated_from_the_topics(broker: KafkaConfig) -> None:
    result = run(broker, "calibrate", "--from-topics", "--name", "mine", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["provenance"][0].startswith('Scores of "the topic of verdicts"')


def test_posts_of_two_tenants_with_one_id_are_kept_apart(broker: KafkaConfig) -> None:
    publish(broker, *(make_verdict("twin", "block", tenant=tenant) for tenant in ("shop", "forum")))
    twins = (
        HumanDecision(post_id="twin", tenant="shop", decision="allow"),
        HumanDecision(post_id="twin", tenant="forum", decision="block", labels={"spam": 1}),
    )
    Path("twins.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, twins)))
    assert run(broker, "decisions", "publish", "twins.jsonl").exit_code == 0
    printed = map(json.loads, run(broker, "decisions", "labels").stdout.splitlines())
    labels = {line["tenant"]: line["labels"].get("spam") for line in printed if line["post_id"] == "twin"}
    assert labels == {"shop": 0, "forum": 1}
    assert run(broker, "calibrate", "--from-topics", "--json").exit_code == 0


def test_drift_between_two_times(broker: KafkaConfig) -> None:
    before = [make_verdict(f"old-{n}", scores={**dict.fromkeys(LABELS, 0.01)}) for n in range(600)]
    now = [make_verdict(f"new-{n}", scores={**dict.fromkeys(LABELS, 0.01), "spam": 0.9}) for n in range(600)]
    publish(broker, *before, age_s=7_200)
    publish(broker, *now, age_s=60)
    arguments = (
        "drift",
        "--last",
        "1h",
        "--against",
        "1d",
        "--limit",
        "0.25",
        "--prometheus",
        "drift.prom",
        "-o",
        "d.html",
    )
    result = run(broker, *arguments)
    assert result.exit_code == 1, result.output
    assert "603 posts, held against 600 before" in result.stderr
    assert 'sluice_drift_index{what="spam"}' in Path("drift.prom").read_text()
    assert "spam" in Path("d.html").read_text()
    assert "moved most" in result.stderr
    few = run(broker, "drift", "--last", "1h", "--against", "1s", "--limit", "0", "--json")
    assert few.exit_code == 0
    assert not json.loads(few.stdout)["enough"]


@pytest.mark.parametrize(
    ("line", "said"),
    [('{"post_id": "a"}', "decisions.jsonl:2 is no decision"), ("[]", "decisions.jsonl:2 is no decision")],
)
def test_a_line_that_is_no_decision_is_named_and_nothing_is_published(
    kafka: KafkaConfig, tmp_path: Path, line: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("decisions.jsonl").write_text('{"post_id": "a", "decision": "allow"}\n' + line)
    result = run(kafka, "decisions", "publish", "decisions.jsonl")
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_files_or_topics(kafka: KafkaConfig) -> None:
    result = run(kafka, "calibrate")
    assert result.exit_code == 2
    assert "or --from-topics" in " ".join(result.stderr.replace("│", " ").split())
