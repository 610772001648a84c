import pytest
from confluent_kafka import Producer

from sluice.client import Publisher, Redrive
from sluice.errors import PublishError
from tests.engine.client.test_publisher import read_posts


def leave_dead_letters(kafka, *letters):
    producer = Producer(kafka.librdkafka())
    for value, reason in letters:
        headers = [("trace", b"7"), ("sluice-reason", reason), ("sluice-correlation", b"run:1")]
        producer.produce(kafka.topics.dead_letters, value, b"key", headers=headers)
    assert producer.flush(10) == 0


def redrive(kafka, **chosen):
    with Redrive(kafka, **chosen) as letters, Publisher(kafka) as publisher:
        return [letter.value for letter in letters.run(publisher)]


def test_the_original_goes_out_again_once(kafka):
    leave_dead_letters(kafka, (b"{", b"not_json"))
    assert redrive(kafka) == [b"{"]
    assert redrive(kafka) == []
    (message,) = read_posts(kafka, 1)
    assert (message.value(), message.key(), message.headers()) == (
        b"{",
        b"key",
        [("trace", b"7"), ("sluice-redriven", b"1")],
    )


def test_what_came_back_is_left_unless_it_is_asked_for(kafka):
    producer = Producer(kafka.librdkafka())
    for marks in ([], [("sluice-redriven", b"2")]):
        headers = [("sluice-reason", b"invalid"), *marks]
        producer.produce(kafka.topics.dead_letters, b"%d" % len(marks), b"key", headers=headers)
    assert producer.flush(10) == 0
    with Redrive(kafka) as letters, Publisher(kafka) as publisher:
        assert [letter.value for letter in letters.run(publisher)] == [b"0"]
        assert letters.n_came_back == 1
    assert redrive(kafka, again=True) == [b"1"]
    assert [message.headers() for message in read_posts(kafka, 2)] == [
        [("sluice-redriven", b"1")], [("sluice-redriven", b"3")],
    ]  # fmt: skip


def test_one_reason_first_then_the_rest(kafka):
    leave_dead_letters(kafka, (b"a", b"not_json"), (b"b", b"invalid"), (b"c", b"not_json"))
    assert redrive(kafka, reason="not_json") == [b"a", b"c"]
    assert redrive(kafka) == [b"b"]


def test_limit_and_then_the_rest(kafka):
    leave_dead_letters(kafka, *[(b"%d" % n, b"invalid") for n in range(5)])
    assert redrive(kafka, limit=2) == [b"0", b"1"]
    assert redrive(kafka) == [b"2", b"3", b"4"]


def test_what_was_not_acknowledged_is_sent_again(kafka):
    class Deaf(Publisher):
        def flush(self, timeout_s=60.0):
            raise PublishError("no acknowledgement")

    leave_dead_letters(kafka, (b"a", b"invalid"))
    with Redrive(kafka) as letters, pytest.raises(PublishError), Deaf(kafka) as publisher:
        list(letters.run(publisher))
    assert redrive(kafka) == [b"a"]


def test_a_tombstone_stays_one(kafka):
    leave_dead_letters(kafka, (None, b"invalid"))
    assert redrive(kafka) == [None]
    (message,) = read_posts(kafka, 1)
    assert (message.value(), message.key()) == (None, b"key")


def test_what_is_not_whole_is_not_sent(kafka):
    producer = Producer(kafka.librdkafka())
    headers = [
        ("sluice-reason", b"too_large"),
        ("sluice-left-out", b"headers: 0 of 1"),
        ("sluice-left-out", b"value: 9 bytes"),
    ]
    producer.produce(kafka.topics.dead_letters, b"", b"key", headers=headers)
    assert producer.flush(10) == 0
    leave_dead_letters(kafka, (b"a", b"invalid"))
    with Redrive(kafka) as letters, Publisher(kafka) as publisher:
        assert [letter.value for letter in letters.run(publisher)] == [b"a"]
        assert letters.n_not_whole == 1
