"""Topics, a store and a list that somebody left traces in, for the tests of erasures."""

from __future__ import annotations

import json
import time
from pathlib import Path

from confluent_kafka import Consumer, Message, Producer
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from typer.testing import CliRunner, Result

from sluice.cli import app
from sluice.config import KafkaConfig, Topics
from sluice.formats import encode_as, headers_for
from sluice.kafka import N_PARTITIONS, ensure_topics
from sluice.lists.entries import Entry
from sluice.media.store import DirectoryStore
from sluice.policies.desk import PolicyDesk
from sluice.resources import default_policy
from sluice.schema import Media, Post, encode
from sluice.verdict.documents import read_document
from sluice.watching.lists import open_desk, with_entries
from tests.engine.audit.verdicts import make_verdict

GONE = "u-gone-7731"
SECRET = "what the one who leaves wrote"
NAMES = (
    "posts", "verdicts", "reviews", "dead_letters", "policies", "feedback", "shadow", "decisions", "lists", "hashes",
    "posts_high", "reports", "erasures",
)  # fmt: skip
KEPT = ("posts", "verdicts", "reviews", "dead_letters", "feedback", "shadow", "decisions", "reports")
N_POSTS = 60


class Place:
    """Topics with posts of six authors, one of whom leaves; a media store and an audit log."""

    def __init__(self, bootstrap: str, name: str, folder: Path) -> None:
        topics = {each: f"{name}.{each}" for each in NAMES}
        self.kafka = KafkaConfig(bootstrap, topics=Topics(**topics))
        self.name, self.at_ms = name, int(time.time() * 1000) - 3_600_000
        self.store = DirectoryStore(folder / "media")
        self.shared, self.own = self.store.put(b"shared", ".png"), self.store.put(b"own", ".png")
        ensure_topics(self.kafka, names=list(topics.values()))
        self.producer = Producer({**self.kafka.librdkafka(), "linger.ms": 5})

    def environment(self) -> dict[str, str]:
        topics = {f"SLUICE_TOPIC_{each.upper()}": getattr(self.kafka.topics, each) for each in NAMES}
        return {
            **topics, "SLUICE_KAFKA": self.kafka.bootstrap, "SLUICE_MEDIA_STORE": str(self.store.path),
            "SLUICE_GROUP": self.name,
        }  # fmt: skip

    def put(self, topic: str, value: bytes | None, key: str | None, partition: int, headers=()) -> None:
        self.producer.produce(
            getattr(self.kafka.topics, topic), value, key, partition, headers=list(headers), timestamp=self.at_ms
        )

    def fill(self) -> None:
        for n in range(N_POSTS):
            self._fill_with(n, f"{self.name}-{n}", GONE if n % 6 == 2 else f"u-{n % 6}", n % N_PARTITIONS)
        self.put("dead_letters", b'{"id": "torn", "author_id": "' + GONE.encode() + b'", "text": "' + b"x", None, 0)
        self.put("dead_letters", b"{not json", "other", 0)
        for text in (SECRET, "somebody else's"):
            self.put("feedback", json.dumps({"comment": {"text": text}, "attributeScores": {}}).encode(), None, 1)
        for author, by in ((GONE, "u-1"), ("u-1", "u-3"), ("u-1", GONE)):
            self._report(author, by)
        assert self.producer.flush(30) == 0
        open_desk(self.kafka, 15).change(
            "watched", "add", lambda there: with_entries(there, [Entry("author", GONE), Entry("author", "u-1")]), "test"
        )
        self.push_policy(1, GONE)
        self.push_policy(2, "u-1")

    def push_policy(self, version: int, author: str) -> None:
        text = f"{{name: shop, version: {version}, tenant: shop, extends: default, rules: ["
        text += f"{{name: known, when: \"author_id == '{author}'\", decision: review}}]}}"
        PolicyDesk(self.kafka, default_policy(), 15).push([read_document(text)], "test")

    def _fill_with(self, n: int, post_id: str, author: str, partition: int) -> None:
        text = SECRET if author == GONE else f"text {n}"
        uris = [self.own, self.shared] if author == GONE else [self.shared]
        post = Post(id=post_id, author_id=author, tenant="shop", text=text, images=tuple(map(Media, uris)))
        verdict = make_verdict(post_id, author)
        self.put("posts", encode(post), post_id, partition)
        form = ("json", "avro", "protobuf")[n % 3]
        self.put("verdicts", encode_as(verdict, form), post_id, partition, headers_for(form, ()))
        self.put("reviews", encode(verdict), post_id, partition)
        self.put("shadow", json.dumps({"post_id": post_id, "tenant": "shop"}).encode(), post_id, partition)
        self.put("decisions", json.dumps({"post_id": post_id, "decision": "allow"}).encode(), post_id, partition)

    def _report(self, author: str, by: str) -> None:
        told = {"id": f"{author} {by}", "author_id": author, "tenant": "shop", "reporter_id": by}
        self.put("reports", json.dumps(told).encode(), None, 2)

    def judge_all(self) -> None:
        """As if a worker had judged every post."""
        consumer = Consumer({**self.kafka.librdkafka(), "group.id": self.name})
        ends = [Partition(self.kafka.topics.posts, n, N_POSTS // N_PARTITIONS) for n in range(N_PARTITIONS)]
        consumer.commit(offsets=ends, asynchronous=False)
        consumer.close()

    def cleanup_policy(self, topic: str) -> str | None:
        admin, resource = AdminClient(self.kafka.librdkafka()), ConfigResource(ResourceType.TOPIC, topic)
        described = admin.describe_configs([resource])[resource].result()
        return described["cleanup.policy"].value

    def everything(self, topic: str) -> list[Message]:
        """All messages of a topic, read by nothing of ours."""
        consumer = Consumer({
            **self.kafka.librdkafka(), "group.id": "scan", "enable.partition.eof": True,
            "auto.offset.reset": "earliest", "fetch.wait.max.ms": 10,
        })  # fmt: skip
        n_partitions = len(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([Partition(topic, n, 0) for n in range(n_partitions)])
        found, n_ends = [], 0
        while n_ends < n_partitions:
            message = consumer.poll(10)
            assert message is not None
            n_ends += message.error() is not None
            found += [message] if message.error() is None else []
        consumer.close()
        return found


def holds(message: Message, words: list[bytes]) -> bool:
    raw = b"|".join(filter(None, (message.key(), message.value())))
    return any(word in raw for word in words)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))
