"""``sluice shadow``, on a broker."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from sluice.cli import app
from sluice.client import Outcomes
from sluice.config import KafkaConfig
from sluice.kafka import ensure_topics
from sluice.local.processes import find_free_ports, python_path
from sluice.schema import Verdict, encode
from sluice.shadow.record import ShadowRecord
from tests.engine.cli.test_backtest import POLICY, VERDICTS

TOPIC = "candidate.verdicts"


@pytest.fixture
def broker(kafka: KafkaConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KafkaConfig:
    """A broker with the verdicts of `test_backtest`, and a policy beside it."""
    monkeypatch.chdir(tmp_path)
    Path("new.yaml").write_text(POLICY)
    ensure_topics(kafka)
    ensure_topics(kafka, names=[TOPIC, kafka.topics.shadow])
    publish(kafka, kafka.topics.verdicts, *VERDICTS)
    return kafka


def publish(kafka: KafkaConfig, topic: str, *verdicts: Verdict) -> None:
    producer = Producer(kafka.librdkafka())
    for verdict in verdicts:
        producer.produce(topic, encode(verdict))
    producer.flush(30)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["shadow", *map(str, arguments)])


def read_records(kafka: KafkaConfig) -> dict[str, ShadowRecord]:
    named = replace(kafka, topics=replace(kafka.topics, verdicts=kafka.topics.shadow))
    with Outcomes(named, start="beginning", kinds=("verdict",)) as outcomes:
        found = [decode_record(outcome.value or b"") for outcome in outcomes.read_to_end()]
    return {record.post_id: record for record in found}


def decode_record(value: bytes) -> ShadowRecord:
    return msgspec.json.decode(value, type=ShadowRecord)


def test_live_verdicts_are_decided_on_once_more(broker: KafkaConfig) -> None:
    result = run("--policy", "new.yaml", "--kafka", broker.bootstrap, "--since", "1h", "--for", "3s", "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert (figures["posts"], figures["changed"]) == (3, 2)
    records = read_records(broker)
    assert len(records) == 3
    assert (records["b"].agrees, records["b"].live.decision, records["b"].shadow.decision) == (False, "review", "block")
    assert records["b"].shadow.policy == "strict 2"
    assert records["c"].agrees


def test_verdicts_of_a_second_worker_are_compared(broker: KafkaConfig) -> None:
    publish(broker, TOPIC, *(msgspec.structs.replace(verdict, decision="block") for verdict in VERDICTS[:2]))
    arguments = ("--verdicts-topic", TOPIC, "--kafka", broker.bootstrap, "--since", "1h", "--for", "3s")
    result = run(*arguments, "--guard", "block=+5%", "-o", "page.html")
    assert result.exit_code == 1, "there was no block before"
    assert f"2 posts decided anew by {TOPIC}; 2 change" in result.stderr
    assert "review → block" in Path("page.html").read_text()
    assert {record.shadow.decision for record in read_records(broker).values()} == {"block"}


def test_a_post_counts_once_and_what_is_no_verdict_is_passed_over(broker: KafkaConfig) -> None:
    publish(broker, broker.topics.verdicts, VERDICTS[0], VERDICTS[0])
    producer = Producer(broker.librdkafka())
    producer.produce(broker.topics.verdicts, b'{"post_id":"\xff"}')
    producer.flush(30)
    result = run("--policy", "new.yaml", "--kafka", broker.bootstrap, "--since", "1h", "--for", "3s", "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert (figures["posts"], figures["repeated"]) == (3, 2)


def test_it_follows_until_it_is_ended_and_shows_its_metrics(broker: KafkaConfig) -> None:
    (port,) = find_free_ports(1)
    command = [sys.executable, "-m", "sluice", "shadow", "--policy", "new.yaml", "--kafka", broker.bootstrap, "--json"]
    with subprocess.Popen(
        [*command, "--metrics-port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=python_path()
    ) as process:
        wait_for_line(process, b"comparing verdicts")
        publish(broker, broker.topics.verdicts, VERDICTS[0])
        wait_for_records(broker, 1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            assert b'sluice_shadow_posts_total{live="allow",shadow="review"} 1.0' in answer.read()
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(said)["turns"][0]["would_be"] == "review"


def wait_for_line(process: subprocess.Popen[bytes], beginning: bytes) -> None:
    assert process.stderr
    assert any(line.startswith(beginning) for line in process.stderr)


def wait_for_records(kafka: KafkaConfig, n_records: int) -> None:
    while len(read_records(kafka)) < n_records:
        pass


@pytest.mark.parametrize("arguments", [(), ("--policy", "new.yaml", "--verdicts-topic", TOPIC)])
def test_it_is_one_or_the_other(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "give either --policy" in " ".join(result.stderr.replace("│", " ").split())


def test_a_wrong_policy_is_named_before_anything_is_connected(broker: KafkaConfig) -> None:
    Path("new.yaml").write_text(POLICY + "label: 1\n")
    result = run("--policy", "new.yaml", "--kafka", "nowhere:1")
    assert result.exit_code == 1
    assert "new.yaml:" in result.stderr
