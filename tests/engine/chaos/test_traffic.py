"""What the traffic publishes, read back from an embedded broker."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, TopicPartition

from sluice.chaos.traffic import HEAD_DEADLINE_MS, MALFORMED_EVERY, PICTURE_EVERY, Traffic
from sluice.config import KafkaConfig
from sluice.errors import InvalidPost, PublishError
from sluice.features.image import extract_image
from sluice.kafka import N_PARTITIONS
from sluice.media.data_uri import decode_base64, split_data_uri
from sluice.schema import Post, decode_post
from tests.components import wait_for

N_POSTS = 2 * MALFORMED_EVERY


def publish(kafka: KafkaConfig, prefix: str, seed: int = 3) -> Traffic:
    with Traffic(kafka, 2_000.0, prefix, seed) as traffic:
        wait_for(lambda: len(traffic.published()) >= N_POSTS, "posts are published")
    return traffic


def read(kafka: KafkaConfig, n_posts: int) -> dict[str, bytes]:
    """Every message of the topic of posts, by its key."""
    consumer = Consumer({**kafka.librdkafka(), "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(kafka.topics.posts, number, 0) for number in range(N_PARTITIONS)])
    found: dict[str, bytes] = {}

    def is_complete() -> bool:
        for message in consumer.consume(n_posts, 1.0):
            found[message.key().decode()] = message.value()
        return len(found) >= n_posts

    wait_for(is_complete, f"{n_posts} posts arrive")
    consumer.close()
    return found


def read_posts(messages: dict[str, bytes], traffic: Traffic) -> list[Post]:
    return [decode_post(messages[each]) for each in traffic.published() if each not in traffic.expected_dead]


def test_what_it_says_it_published_is_in_kafka(kafka: KafkaConfig) -> None:
    traffic = publish(kafka, "a")
    published = traffic.published()
    messages = read(kafka, len(published))
    assert sorted(messages) == sorted(published)
    assert published[:2] == ["a-0", "a-1"]
    posts = read_posts(messages, traffic)
    assert [post.id for post in posts if post.images] == [
        f"a-{number}" for number in range(0, len(published), PICTURE_EVERY) if f"a-{number}" in messages
    ]
    assert all(post.text for post in posts)


def test_its_pictures_are_pictures(kafka: KafkaConfig) -> None:
    traffic = publish(kafka, "a")
    picture = decode_post(read(kafka, len(traffic.published()))["a-0"]).images[0]
    found = split_data_uri(picture.uri)
    assert found is not None
    assert len(extract_image(decode_base64(found[1])).rows) == 1


def test_a_message_that_is_no_post_is_expected_to_be_a_dead_letter(kafka: KafkaConfig) -> None:
    traffic = publish(kafka, "a")
    messages = read(kafka, len(traffic.published()))
    assert {f"a-{MALFORMED_EVERY - 1}", f"a-{2 * MALFORMED_EVERY - 1}"} <= traffic.expected_dead
    for post_id in traffic.expected_dead:
        with pytest.raises(InvalidPost):
            decode_post(messages[post_id])


def test_the_seed_decides_the_texts(kafka: KafkaConfig) -> None:
    first, again, other = publish(kafka, "a", 1), publish(kafka, "b", 1), publish(kafka, "c", 2)
    messages = read(kafka, sum(len(each.published()) for each in (first, again, other)))
    texts = [[post.text for post in read_posts(messages, each)][: N_POSTS - 2] for each in (first, again, other)]
    assert texts[0] == texts[1] != texts[2]


def test_a_stuck_post_waits_for_its_url_until_its_deadline(kafka: KafkaConfig) -> None:
    with Traffic(kafka, 0.001, "a", 1) as traffic:
        post_id = traffic.publish_stuck("http://127.0.0.1:9/never.png")
    assert traffic.stuck == {post_id} <= set(traffic.published())
    post = decode_post(read(kafka, len(traffic.published()))[post_id])
    assert (post.images[0].uri, post.deadline_ms) == ("http://127.0.0.1:9/never.png", HEAD_DEADLINE_MS)


def test_what_ended_it_early_is_raised_when_it_is_stopped(kafka: KafkaConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PublishError("Kafka did not take a message")

    traffic = Traffic(kafka, 2_000.0, "a", 1)
    monkeypatch.setattr(traffic._publisher, "publish_bytes", refuse)
    traffic.start()
    traffic._thread.join(30)
    with pytest.raises(PublishError, match="did not take"):
        traffic.stop()
    assert traffic.published() == []
