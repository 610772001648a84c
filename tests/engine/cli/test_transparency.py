"""``sluice transparency``, on a broker."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from sluice.cli import app
from sluice.config import KafkaConfig
from sluice.human_decision import HumanDecision
from sluice.kafka import ensure_topics
from sluice.verdict.calibration import Calibrated, LabelFigures, Risks
from sluice.verdict.calibration_report import figures_json
from sluice.verdict.policy import Policy, Thresholds
from tests.engine.audit.verdicts import make_verdict, publish


@pytest.fixture
def broker(kafka: KafkaConfig) -> KafkaConfig:
    """Three blocks, one of them twice, of which people gave one back at random; a review that people blocked."""
    ensure_topics(kafka, names=[kafka.topics.decisions])
    publish(kafka, *(make_verdict(name, decision="block") for name in ("a", "b", "c", "a")), make_verdict("d"))
    producer = Producer({**kafka.librdkafka(), "linger.ms": 0})
    for post_id, decision, occasion in (("b", "allow", "sample"), ("d", "block", "review")):
        told = HumanDecision(post_id=post_id, decision=decision, occasion=occasion)
        producer.produce(kafka.topics.decisions, msgspec.json.encode(told), post_id)
    assert producer.flush(20) == 0
    return kafka


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["transparency", "--since", "1h", *map(str, arguments)])


def test_figures_and_statements(broker: KafkaConfig, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a secret of its own\n")
    file = tmp_path / "statements.csv"
    result = run("-o", file, "--key-file", tmp_path / "key", "--kafka", broker.bootstrap)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert (figures["posts"], figures["statements"]) == (4, 3)
    assert (figures["fully_automated"], figures["partially_automated"]) == (2, 1)
    (rate,) = figures["error_rates"]
    assert (rate["name"], rate["posts"], rate["overruled"]) == ("block", 1, 1)
    rows = list(csv.DictReader(file.open()))
    assert len({row["puid"] for row in rows}) == len(rows) == 3
    assert rows[0]["decision_visibility"] == "DECISION_VISIBILITY_CONTENT_REMOVED"


def test_rates_of_error_of_a_calibration_stand_beside_what_people_decided(broker: KafkaConfig, tmp_path: Path) -> None:
    label = LabelFigures("hate", 40, 0.3, 0.8, 0.9, 0.4, 0.02, 0.001, "new")
    policy = Policy(name="mine", version=4, labels={"hate": Thresholds(0.3, 0.8)})
    calibrated = Calibrated(policy, policy, Risks(0.05, 0.005), 1040, 1000, 0.02, 0.001, True, True, [label])
    file = tmp_path / "calibrated.json"
    file.write_text(json.dumps({**figures_json(calibrated), "provenance": []}))
    figures = json.loads(run("--calibration", file, "--kafka", broker.bootstrap).stdout)
    measured = figures["calibration"]
    assert (measured["policy"], measured["n_benign"]) == ({"name": "mine", "version": 4}, 1000)
    (found,) = measured["labels"]
    assert (found["label"], found["review_recall"], found["block_share"]) == ("hate", 0.9, 0.001)
    file.write_text("{}")
    for other in (file, tmp_path / "nowhere"):
        result = run("--calibration", other, "--kafka", broker.bootstrap)
        assert (result.exit_code, "--calibration" in result.stderr) == (1, True)


def test_as_json_lines(broker: KafkaConfig, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a secret of its own")
    file = tmp_path / "statements.jsonl"
    assert run("-o", file, "--key-file", tmp_path / "key", "--kafka", broker.bootstrap).exit_code == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["content_type"] for line in lines] == [["CONTENT_TYPE_TEXT"]] * 3


def test_statements_need_a_key_and_a_known_form(broker: KafkaConfig, tmp_path: Path) -> None:
    assert run("-o", tmp_path / "a.csv", "--kafka", broker.bootstrap).exit_code == 2
    assert run("-o", tmp_path / "a.xml", "--kafka", broker.bootstrap).exit_code == 2
    (tmp_path / "short").write_text("x" * 15)
    (tmp_path / "long").write_text("x" * 16)
    for key in ("short", "missing"):
        assert run("-o", tmp_path / "a.csv", "--key-file", tmp_path / key, "--kafka", broker.bootstrap).exit_code == 1
    elsewhere = ("-o", tmp_path / "nowhere" / "a.csv", "--key-file", tmp_path / "long")
    result = run(*elsewhere, "--kafka", broker.bootstrap)
    assert (result.exit_code, "cannot be written" in result.stderr) == (1, True)


def test_equal_ids_of_two_tenants_are_two_posts(broker: KafkaConfig) -> None:
    publish(broker, make_verdict("b", decision="block", tenant="other"))
    producer = Producer({**broker.librdkafka(), "linger.ms": 0})
    told = HumanDecision(post_id="a", decision="allow", tenant="another")
    producer.produce(broker.topics.decisions, msgspec.json.encode(told), "a")
    assert producer.flush(20) == 0
    figures = json.loads(run("--kafka", broker.bootstrap).stdout)
    assert figures["posts"] == 5
    assert figures["fully_automated"] == 2
