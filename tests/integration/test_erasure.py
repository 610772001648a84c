"""Somebody is erased from a real Kafka, a media store, a list, an audit log and workers' histories: a scan of raw
bytes finds nothing."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, Message, Producer
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from typer.testing import CliRunner, Result

from sluice.cli import app
from sluice.client import Publisher, Report, ReportPublisher
from sluice.config import KafkaConfig, Topics
from sluice.erasure.partitions import Rewriter
from sluice.errors import KafkaUnavailable
from sluice.formats import encode_as, headers_for
from sluice.history.config import HistoryConfig
from sluice.history.counts import Moment
from sluice.history.follower import open_authors
from sluice.history.recount import compare
from sluice.kafka import N_PARTITIONS, copied_from, ensure_topics
from sluice.lists.entries import Entry
from sluice.local.kafka import NativeKafka
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.media.store import DirectoryStore
from sluice.policies.desk import PolicyDesk
from sluice.policies.topic import read_topic
from sluice.resources import default_policy, triton_repository
from sluice.schema import Media, Post, encode
from sluice.verdict.documents import read_document
from sluice.watching.lists import open_desk, with_entries
from tests.components import wait_for
from tests.engine.audit.verdicts import make_verdict
from tests.integration.test_history import read_counted

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

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
        resource = ConfigResource(ResourceType.TOPIC, topic)
        described = AdminClient(self.kafka.librdkafka()).describe_configs([resource])[resource].result()
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


@pytest.fixture
def place(
    request: pytest.FixtureRequest, kafka_broker: NativeKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    name = request.node.name.replace("_", "-")
    place = Place(kafka_broker.kafka.bootstrap, f"erase-{name[5:20]}", tmp_path)
    for variable, value in place.environment().items():
        monkeypatch.setenv(variable, value)
    place.fill()
    return place


def test_a_scan_of_everything_finds_neither_name_nor_content(place: Place, tmp_path: Path) -> None:
    place.judge_all()
    log = tmp_path / "log"
    assert run("audit", "follow", "--out", log, "--once").exit_code == 0
    theirs = [f"{place.name}-{n}" for n in range(N_POSTS) if n % 6 == 2]
    before = {topic: place.everything(topic) for topic in [getattr(place.kafka.topics, each) for each in KEPT]}

    preview = run("erase", "--author", GONE, "--tenant", "shop", "--audit", log, "--preview", "--json")
    assert json.loads(preview.stdout)["n_posts"] == len(theirs), preview.output
    result = run("erase", "--author", GONE, "--tenant", "shop", "--audit", log, "--yes", "--json")
    assert result.exit_code == 0, result.output
    rows = {row["where"]: row for row in json.loads(result.stdout)["rows"]}

    topics = place.kafka.topics
    words = [GONE.encode(), SECRET.encode(), *(f'"{each}"'.encode() for each in theirs)]
    for topic, was in before.items():
        now = place.everything(topic)
        keys = {(message.key() or b"").decode() for message in now}
        assert (keys & set(theirs), [message.offset() for message in now if holds(message, words)]) == (set(), [])
        gone = rows[topic]["erased"]
        if topic == topics.posts:
            assert gone + rows[topic]["dropped"] + len(now) == len(was), "posts that were judged are not copied"
        else:
            others = [message for message in was if not holds(message, words)]
            assert Counter((m.key(), m.value()) for m in now) == Counter(
                (m.key(), m.value()) for m in others if (m.key() or b"").decode() not in theirs
            )
            assert gone > 0, topic
    assert sorted(path.name for path in place.store.path.iterdir()) == [place.shared.rpartition("/")[2]]
    assert [entry.value for entry in open_desk(place.kafka, 15).show("watched")] == ["u-1"]
    assert [rows[where]["erased"] for where in ("watched", "shop 1", topics.lists, topics.policies)] == [1, 1, 1, 1]
    for topic in (topics.lists, topics.policies):
        assert not any(GONE.encode() in (message.value() or b"") for message in place.everything(topic)), topic
        assert place.cleanup_policy(topic) == "compact"
    assert list(read_topic(place.kafka, 15).versions["shop"]) == [2]
    for file in log.rglob("*.gz"):
        content = gzip.decompress(file.read_bytes())
        assert not any(word in content for word in words), file
    assert rows[str(log)]["erased"] == 2 * len(theirs)
    assert run("audit", "verify", log).exit_code == 0
    again = run("erase", "--author", GONE, "--audit", log, "--yes", "--json")
    assert {row["found"] for row in json.loads(again.stdout)["rows"]} == {0}


def test_a_policy_in_force_that_names_them_is_left_until_another_one_is(place: Place) -> None:
    place.push_policy(3, GONE)
    result = run("erase", "--author", GONE, "--yes", "--json")
    assert result.exit_code == 1
    left = {row["where"]: row["note"] for row in json.loads(result.stdout)["rows"] if row["left"]}
    assert left.keys() == {"shop 3", place.kafka.topics.policies}
    assert "push a version that does not" in left["shop 3"]
    place.push_policy(4, "u-1")
    assert run("erase", "--author", GONE, "--yes", "--json").exit_code == 0
    assert list(read_topic(place.kafka, 15).versions["shop"]) == [2, 4]


def test_what_is_pushed_while_a_list_is_written_anew_counts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    original, desk = Rewriter.rewrite, open_desk(place.kafka, 15)

    def push_and_rewrite(self: Rewriter, where, found, keep_from=0) -> int:
        if where[0] == place.kafka.topics.lists:
            desk.change("watched", "add", lambda there: with_entries(there, [Entry("author", "u-late")]), "test")
        return original(self, where, found, keep_from)

    desk.change("other", "add", lambda there: with_entries(there, [Entry("word", "kept")]), "test")
    monkeypatch.setattr(Rewriter, "rewrite", push_and_rewrite)
    assert run("erase", "--author", GONE, "--yes", "--json").exit_code == 0
    assert {entry.value for entry in desk.show("watched")} == {"u-1", "u-late"}
    assert [entry.value for entry in desk.show("other")] == ["kept"]


def test_copies_keep_what_they_were_and_go_into_the_log_as_copies(place: Place, tmp_path: Path) -> None:
    place.judge_all()
    was = {m.key(): m for m in place.everything(place.kafka.topics.verdicts)}
    assert run("erase", "--post", f"{place.name}-8", "--yes", "--json").exit_code == 0
    now = place.everything(place.kafka.topics.verdicts)
    assert len(now) == N_POSTS - 1
    copies = [message for message in now if copied_from(message.headers() or []) is not None]
    assert copies
    for copy in copies:
        first = was[copy.key()]
        assert (copy.value(), copy.timestamp()) == (first.value(), first.timestamp())
        assert copied_from(copy.headers()) == first.offset()
    assert run("audit", "follow", "--out", tmp_path / "log", "--once").exit_code == 0
    lines = [
        json.loads(line)["body"]
        for file in (tmp_path / "log" / place.kafka.topics.verdicts).rglob("*.gz")
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    assert sum("copy_of" in body for body in lines) == len(copies)


def test_nothing_of_others_is_lost_or_twice_after_an_end_in_the_middle(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KafkaUnavailable("killed before the deletion")

    with monkeypatch.context() as broken:
        broken.setattr(Rewriter, "_delete", fail)
        assert run("erase", "--author", GONE, "--yes", "--json").exit_code == 1
    assert run("erase", "--author", GONE, "--yes", "--json").exit_code == 0
    for topic in (
        place.kafka.topics.verdicts,
        place.kafka.topics.posts,
    ):  # none was judged: posts are copied, too
        found = [message.key() for message in place.everything(topic)]
        assert len(found) == len(set(found)) == N_POSTS * 5 // 6


def test_what_comes_back_is_found_by_the_second_look(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Rewriter.rewrite

    def rewrite_and_publish(self: Rewriter, where, found, keep_from=0) -> int:
        place.put("posts", msgspec.json.encode({"id": "new", "author_id": GONE, "text": "again"}), "new", 0)
        place.producer.flush(10)
        return original(self, where, found, keep_from)

    monkeypatch.setattr(Rewriter, "rewrite", rewrite_and_publish)
    result = run("erase", "--author", GONE, "--yes", "--json")
    assert result.exit_code == 1
    assert "something is left" in result.stderr


HISTORY = HistoryConfig(b"secret of the histories")


@pytest.fixture
def worker(
    request: pytest.FixtureRequest, kafka_broker: NativeKafka, triton_server: TritonServer, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stack]:  # fmt: skip
    """A real one, which keeps its history in a folder and its log in a file."""
    name = f"forget-{request.node.name[5:12]}"
    topics = {each: f"{name}.{each}" for each in NAMES}
    kafka = replace(kafka_broker.kafka, topics=Topics(**topics))
    folder = tmp_path / "worker"
    environment = {
        "SLUICE_GROUP": name, "SLUICE_HISTORY_KEY": HISTORY.key.decode(),
        "SLUICE_HISTORY_DIR": str(folder / "history"), "SLUICE_SESSION_TIMEOUT_S": "6",
        "SLUICE_MAX_DEADLINE_MS": "5000",
    }  # fmt: skip
    for each, topic in topics.items():
        monkeypatch.setenv(f"SLUICE_TOPIC_{each.upper()}", topic)
    for variable, value in {**environment, "SLUICE_KAFKA": kafka.bootstrap}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("SLUICE_MEDIA_STORE", str(folder / "media"))
    ensure_topics(kafka, names=list(topics.values()))
    config = StackConfig(
        folder, triton_repository(), kafka=kafka, triton=triton_server.address, worker_environment=environment
    )
    with Stack(config) as stack:
        yield stack


def test_workers_forget_them_and_say_so_and_neither_tables_nor_logs_name_them(worker: Stack, tmp_path: Path) -> None:
    let_them_post(worker)
    result = run("erase", "--post", "single", "--yes", "--json")
    assert result.exit_code == 0, result.output
    rows = [row for row in json.loads(result.stdout)["rows"] if row["kind"] == "history"]
    assert [(row["erased"], row["left"]) for row in rows] == [(2, 0)], "a post, and that its author wrote the text"

    result = run("erase", "--author", GONE, "--yes", "--json")
    assert result.exit_code == 0, result.output
    rows = [row for row in json.loads(result.stdout)["rows"] if row["kind"] == "history"]
    n_entries = 4 + 1 + 1 + 1  # posts, one writer of a text, a report of them, one by them
    assert [(row["erased"], row["left"]) for row in rows] == [(n_entries, 0)]

    worker.kill_worker()
    worker.start_worker(60.0)  # reads on, and nothing comes back
    worker.stop_worker()
    folder = worker.config.state_dir
    authors = open_authors(worker.kafka, replace(HISTORY, folder=folder / "history"), 30.0)
    try:
        now = Moment(int(time.time() * 1000))
        gone, kept = (authors.count("shop", name, now) for name in (GONE, "u-1"))
        assert (gone.posts_24h, gone.reports_24h, kept.posts_24h, kept.reports_24h) == (0, 0, 1, 1)
        assert compare(worker.kafka, HISTORY, authors, 30.0).n_different == 0
    finally:
        authors.close()
    files = [path for path in folder.rglob("*") if path.is_file()]
    words = [GONE.encode(), SECRET.encode(), *(f"gone-{n}".encode() for n in range(4))]
    assert [path for path in files if any(word in path.read_bytes() for word in words)] == []
    assert any(b"entries of the history went" in path.read_bytes() for path in files), "the worker's log is among them"


def let_them_post(worker: Stack) -> None:
    """Four posts of the one who leaves, two of another, one with the same text, and three reports; until counted."""
    with Publisher(worker.kafka) as publisher:
        for n in range(4):
            publisher.publish(Post(id=f"gone-{n}", author_id=GONE, tenant="shop", text=SECRET))
        publisher.publish(Post(id="kept", author_id="u-1", tenant="shop", text=SECRET.upper()))
        publisher.publish(Post(id="single", author_id="u-1", tenant="shop", text="what nobody else wrote"))
    reports = ReportPublisher(worker.kafka)
    for author, by in ((GONE, "u-1"), ("u-1", "u-3"), ("u-1", GONE)):
        reports.publish(Report(author_id=author, tenant="shop", reporter_id=by))
    wanted = {worker.kafka.topics.verdicts: 6, worker.kafka.topics.reports: 3}
    wait_for(lambda: read_counted(worker) == wanted, "counted")


def test_without_the_secret_what_was_counted_is_said_to_be_left(worker: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    let_them_post(worker)
    monkeypatch.delenv("SLUICE_HISTORY_KEY")
    result = run("erase", "--author", GONE, "--yes", "--json")
    assert result.exit_code == 1
    rows = [row for row in json.loads(result.stdout)["rows"] if row["left"]]
    assert [(row["kind"], row["left"]) for row in rows] == [("history", 1)]
    assert "SLUICE_HISTORY_KEY" in rows[0]["note"]


def test_a_choice_is_needed(place: Place) -> None:
    assert run("erase", "--yes").exit_code == 2
    assert run("erase", "--author", "a", "--post", "b", "--yes").exit_code == 2
