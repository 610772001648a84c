"""Somebody is erased from a real Kafka, a store, lists, policies and an audit log: a scan of bytes finds nothing."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from sluice.erasure.partitions import Rewriter
from sluice.errors import KafkaUnavailable
from sluice.kafka import copied_from
from sluice.lists.entries import Entry
from sluice.local.kafka import NativeKafka
from sluice.policies.topic import read_topic
from sluice.watching.lists import open_desk, with_entries
from tests.integration.erasing import GONE, KEPT, N_POSTS, SECRET, Place, holds, run

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


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
    assert set(read_topic(place.kafka, 15).versions["shop"]) == {2, 4}


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


def test_a_choice_is_needed(place: Place) -> None:
    assert run("erase", "--yes").exit_code == 2
    assert run("erase", "--author", "a", "--post", "b", "--yes").exit_code == 2
