"""``sluice verdicts`` and ``sluice dead-letters list``: what is shown to whom."""

from __future__ import annotations

import json

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from sluice.cli import app
from sluice.cli.verdicts import DecisionChoice
from sluice.config import KafkaConfig
from sluice.schema import Verdict, encode
from tests.engine.cli.verdicts import make_verdict


def produce(kafka: KafkaConfig, topic: str, *messages: tuple[bytes | None, bytes | None, list]) -> None:
    producer = Producer(kafka.librdkafka())
    for value, key, headers in messages:
        producer.produce(topic, value, key, partition=0, headers=headers)
    assert producer.flush(10) == 0


def leave_verdicts(kafka: KafkaConfig, *verdicts: Verdict) -> None:
    produce(kafka, kafka.topics.verdicts, *[(encode(one), one.post_id.encode(), []) for one in verdicts])


def run(kafka: KafkaConfig, *arguments: str):
    return CliRunner().invoke(app, [*arguments, "--kafka", kafka.bootstrap])


@pytest.mark.parametrize("decision", DecisionChoice)
def test_every_decision_can_be_asked_for(kafka: KafkaConfig, decision: DecisionChoice) -> None:
    leave_verdicts(kafka, *(make_verdict(f"p-{one}", one.value) for one in DecisionChoice))
    result = run(kafka, "verdicts", "--decision", decision.value)
    assert [json.loads(line)["post_id"] for line in result.stdout.splitlines()] == [f"p-{decision}"]


def test_a_verdict_is_printed_byte_for_byte(kafka: KafkaConfig) -> None:
    verdict = encode(make_verdict("帖-1"))
    produce(kafka, kafka.topics.verdicts, (verdict, b"k", []))
    assert run(kafka, "verdicts").stdout_bytes == verdict + b"\n"


def test_where_there_are_none_nothing_is_printed(kafka: KafkaConfig) -> None:
    result = run(kafka, "verdicts", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_a_message_that_is_no_verdict_is_named_by_its_place_and_not_shown(kafka: KafkaConfig) -> None:
    produce(kafka, kafka.topics.verdicts, (b"private words", b"k", []), (None, b"k", []))
    leave_verdicts(kafka, make_verdict("p-1"))
    result = run(kafka, "verdicts")
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr.splitlines() == [f"partition 0, offset {n}: not a verdict, skipped" for n in (0, 1)]
    assert "private" not in result.output


def leave_letters(kafka: KafkaConfig) -> None:
    why = [("sluice-reason", b"too_large"), ("sluice-detail", "帖 \xff".encode()), ("sluice-source", b"posts/0/7")]
    left_out = [("sluice-left-out", b"value: 9 bytes")]
    produce(
        kafka, kafka.topics.dead_letters, (b"{", "帖".encode(), why), (b"", b"\xff", why + left_out), (None, None, [])
    )


def test_a_dead_letter_says_why_where_and_how_long_it_is(kafka: KafkaConfig) -> None:
    leave_letters(kafka)
    whole, short, tombstone = map(json.loads, run(kafka, "dead-letters", "list").stdout.splitlines())
    assert (whole["reason"], whole["detail"], whole["source"]) == ("too_large", "帖 \xff", "posts/0/7")
    assert (whole["key"], whole["n_bytes"], whole["left_out"]) == ("帖", 1, [])
    assert (short["key"], short["n_bytes"], short["left_out"]) == ("\ufffd", 0, ["value: 9 bytes"])
    assert (tombstone["key"], tombstone["reason"], tombstone["n_bytes"]) == (None, None, None)
    assert [letter["offset"] for letter in (whole, short, tombstone)] == [0, 1, 2]


def test_people_see_a_table_without_none(kafka: KafkaConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.cli.dead_letters.wants_json", lambda asked: asked)
    leave_letters(kafka)
    shown = run(kafka, "dead-letters", "list")
    assert shown.stdout == ""
    assert "3 dead letters" in shown.stderr
    assert "None" not in shown.stderr


def test_what_is_redriven_is_printed_and_counted(kafka: KafkaConfig) -> None:
    leave_letters(kafka)
    result = run(kafka, "dead-letters", "redrive", "--limit", "5")
    assert [json.loads(line)["offset"] for line in result.stdout.splitlines()] == [0, 2]
    assert f"2 dead letters published again to {kafka.topics.posts}" in result.stderr
    assert "1 left: their topic had no room for all of the message" in result.stderr
