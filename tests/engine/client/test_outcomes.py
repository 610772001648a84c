from typing import Any

import pytest
from confluent_kafka import Producer

from sluice.client import CORRELATION_HEADER, Outcomes
from sluice.config import KafkaConfig, Topics
from sluice.errors import KafkaUnavailable


def produce(kafka, topic, *values, headers=()):
    producer = Producer(kafka.librdkafka())
    for value in values:
        producer.produce(topic, value, b"k", headers=list(headers))
    assert producer.flush(10) == 0


def poll_until(outcomes, n):
    found: list[Any] = []
    while len(found) < n:
        found += outcomes.poll(5)
    return found


def test_from_the_end_sees_only_what_comes_later(kafka):
    produce(kafka, kafka.topics.verdicts, b"old")
    with Outcomes(kafka) as outcomes:
        produce(kafka, kafka.topics.verdicts, b"new")
        produce(kafka, kafka.topics.dead_letters, b"bad", headers=[("sluice-reason", b"not_json")])
        found = poll_until(outcomes, 2)
    assert {(one.kind, one.value) for one in found} == {("verdict", b"new"), ("dead_letter", b"bad")}


def test_read_to_end_stops_there(kafka):
    values = [b"%d" % n for n in range(1200)]
    produce(kafka, kafka.topics.verdicts, *values)
    with Outcomes(kafka, start="beginning") as outcomes:
        produce(kafka, kafka.topics.verdicts, b"later")
        with Outcomes(kafka, start="beginning") as second:  # by the time it is through, the first has fetched "later"
            assert len(list(second.read_to_end())) == 1201
        assert sorted(one.value for one in outcomes.read_to_end()) == sorted(values)


def test_read_to_end_of_empty_topics_yields_nothing(kafka):
    with Outcomes(kafka, start="beginning") as outcomes:
        assert list(outcomes.read_to_end()) == []


def test_only_the_kinds_asked_for(kafka):
    produce(kafka, kafka.topics.verdicts, b"v")
    produce(kafka, kafka.topics.dead_letters, b"d")
    with Outcomes(kafka, start="beginning", kinds=("dead_letter",)) as outcomes:
        assert [one.value for one in outcomes.read_to_end()] == [b"d"]


def test_follow_yields_what_comes(kafka):
    with Outcomes(kafka) as outcomes:
        produce(kafka, kafka.topics.verdicts, b"v")
        assert next(outcomes.follow()).value == b"v"


def test_a_dead_letter_tells_why(kafka):
    headers = [
        ("sluice-reason", b"not_json"), ("sluice-detail", b"line 1"), ("sluice-source", b"posts/0/7"),
        (CORRELATION_HEADER, b"run:1"), ("empty", None),
    ]  # fmt: skip
    produce(kafka, kafka.topics.dead_letters, b"{", headers=headers)
    with Outcomes(kafka, start="beginning") as outcomes:
        (letter,) = outcomes.read_to_end()
    assert letter.dead_letter() == {"reason": "not_json", "detail": "line 1", "key": "k", "source": "posts/0/7"}
    assert (letter.correlation, letter.header("empty"), letter.header("absent")) == ("run:1", None, None)
    assert letter.timestamp_s is not None


def test_no_broker_is_an_error_that_names_the_address():
    with pytest.raises(KafkaUnavailable, match="127.0.0.1:1"):
        Outcomes(KafkaConfig("127.0.0.1:1"), timeout_s=0.1)


def test_a_missing_topic_is_named(kafka):
    elsewhere = KafkaConfig(kafka.bootstrap, topics=Topics(verdicts="nowhere"))
    with pytest.raises(KafkaUnavailable, match="has no topic nowhere"):
        Outcomes(elsewhere, timeout_s=0.1)
