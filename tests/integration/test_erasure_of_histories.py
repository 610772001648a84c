"""Somebody is erased from the histories of real workers, which answer: their tables and logs hold nothing of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sluice.client import Publisher, Report, ReportPublisher
from sluice.config import Topics
from sluice.history.config import HistoryConfig
from sluice.history.counts import Moment
from sluice.history.follower import open_authors
from sluice.history.recount import compare
from sluice.kafka import ensure_topics
from sluice.local.kafka import NativeKafka
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Post
from tests.components import wait_for
from tests.integration.erasing import GONE, NAMES, SECRET, run
from tests.integration.test_history import read_counted

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

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
