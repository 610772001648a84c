"""The texts of posts that people decided, for whoever trains on them."""

from __future__ import annotations

from collections.abc import Collection

from sluice.client import Outcome, open_topic
from sluice.config import KafkaConfig
from sluice.errors import InvalidPost, SettingsError
from sluice.formats import decode_post
from sluice.kafka import TopicNames
from sluice.schema import Post, PostKey


def read_texts(kafka: KafkaConfig, wanted: Collection[PostKey], timeout_s: float) -> dict[PostKey, str]:
    """Of the posts that Kafka still holds, in both topics of posts; raises `KafkaUnavailable`."""
    there, texts = TopicNames(kafka, timeout_s).read(), dict[PostKey, str]()
    for topic in (kafka.topics.posts, kafka.topics.posts_high):
        if topic in there and wanted:
            with open_topic(kafka, topic, 0.0, timeout_s) as posts:
                for outcome in posts.read_to_end():
                    post = _read(outcome)
                    if post and post.text and (post.tenant, post.id) in wanted:
                        texts[post.tenant, post.id] = post.text
    return texts


def _read(outcome: Outcome) -> Post | None:
    """A post; None for what is none, or is in a form whose extra is not installed."""
    try:
        return decode_post(outcome.value, outcome.headers)
    except (InvalidPost, SettingsError):
        return None
