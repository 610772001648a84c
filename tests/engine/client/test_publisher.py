from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from sluice.client import MAX_MESSAGE_BYTES, Publisher, read_key
from sluice.client.inline_media import encode_inline
from sluice.config import KafkaConfig
from sluice.errors import PostTooLarge, PublishError
from sluice.schema import Media, Post, decode_post


def read_posts(kafka, n):
    consumer = Consumer({**kafka.librdkafka(), "group.id": "test", "fetch.wait.max.ms": 5})
    consumer.assign([TopicPartition(kafka.topics.posts, number, 0) for number in range(4)])
    messages: list[Any] = []
    while len(messages) < n:
        messages += consumer.consume(n - len(messages), 5)
    consumer.close()
    return messages


def test_a_post_arrives_with_key_and_headers(kafka):
    with Publisher(kafka) as publisher:
        publisher.publish(Post(id="p-1", text="hello"), [("trace", b"7")])
    (message,) = read_posts(kafka, 1)
    assert (message.key(), message.headers()) == (b"p-1", [("trace", b"7")])
    assert decode_post(message.value()) == Post(id="p-1", text="hello")


def test_bytes_arrive_as_they_are(kafka):
    with Publisher(kafka) as publisher:
        publisher.publish_bytes(b"\xff not json")
    (message,) = read_posts(kafka, 1)
    assert (message.key(), message.value()) == (None, b"\xff not json")


class OneStore:
    def put(self, content, suffix):
        self.content = content
        return "file:///store/one" + suffix


def test_large_media_go_to_the_store(kafka):
    store, content = OneStore(), bytes(300_000)
    with Publisher(kafka, store) as publisher:
        publisher.publish(Post(id="p-1", images=(Media(encode_inline(content, "image/png")),)))
    (message,) = read_posts(kafka, 1)
    assert store.content == content
    assert decode_post(message.value()).images == (Media("file:///store/one.png"),)


class FullStore:
    def put(self, content, suffix):
        raise OSError("no space left")


def test_a_store_that_fails_is_an_error(kafka):
    with pytest.raises(PublishError, match="no space left"), Publisher(kafka, FullStore()) as publisher:
        publisher.publish(Post(id="p-1", images=(Media(encode_inline(bytes(300_000), "image/png")),)))


def test_over_the_limit_is_refused_and_the_next_arrives(kafka):
    with Publisher(kafka) as publisher:
        with pytest.raises(PostTooLarge, match=f"the limit is {MAX_MESSAGE_BYTES}"):
            publisher.publish_bytes(b"x" * (MAX_MESSAGE_BYTES + 1))
        publisher.publish_bytes(b"y")
    assert [message.value() for message in read_posts(kafka, 1)] == [b"y"]


def test_more_than_the_queue_takes_arrives(kafka):
    big = b"z" * 1_000_000
    with Publisher(kafka) as publisher:  # 80 MB through a queue of 64
        sizes = [publisher.publish_bytes(big) for _ in range(80)]
        publisher.flush()
        assert publisher.n_waiting == 0
    assert sizes == [1_000_000] * 80


def test_no_broker_is_an_error_that_names_the_address():
    with (
        pytest.raises(PublishError, match="127.0.0.1:1"),
        Publisher(KafkaConfig("127.0.0.1:1"), delivery_timeout_s=0.3) as publisher,
    ):
        publisher.publish(Post(id="p-1", text="hello"))


def test_a_later_publish_tells_of_an_earlier_failure():
    publisher = Publisher(KafkaConfig("127.0.0.1:1"), delivery_timeout_s=0.3)
    publisher.publish_bytes(b"x")
    while publisher.n_waiting:
        publisher.poll(0.1)
    with pytest.raises(PublishError, match="127.0.0.1:1"):
        publisher.publish_bytes(b"y")


def test_a_failed_delivery_goes_to_who_asked_for_it():
    errors: list[Any] = []
    with Publisher(KafkaConfig("127.0.0.1:1"), delivery_timeout_s=0.3) as publisher:
        publisher.publish_bytes(b"x", on_delivery=errors.append)
        while publisher.n_waiting:
            publisher.poll(0.1)
    assert [type(error) for error in errors] == [PublishError]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'{"id": "p-1", "text": 5}', b"p-1"),
        ('{"id": "帖"}'.encode(), "帖".encode()),
        (b'{"id": ""}', None),
        (b'{"id": 7}', b"7"),
        (b'{"id": "\\ud800"}', "\ufffd".encode()),
        (b"[]", None),
        (b"\xff", None),
    ],
)
def test_read_key(value, key):
    assert read_key(value) == key


def test_a_connected_publisher_has_its_id(kafka):
    with Publisher(kafka) as publisher:
        publisher.connect()
        publisher.publish_bytes(b"at once")
        publisher.flush()
    assert len(read_posts(kafka, 1)) == 1


def test_nobody_to_connect_to_is_an_error_that_names_the_address():
    publisher = Publisher(KafkaConfig(bootstrap="127.0.0.1:1"))
    with pytest.raises(PublishError, match="127.0.0.1:1"):
        publisher.connect(timeout_s=0.3)
