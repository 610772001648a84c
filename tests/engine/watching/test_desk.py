"""Lists on an embedded broker: pushed, changed, taken back, and looked for by a process that follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from sluice.client.compacted import PARTITION
from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable, ListError, WatchError
from sluice.hashes.bank import BankSettings, HashEntry, join, make_bank
from sluice.lists.entries import Entry
from sluice.lists.files import list_files
from sluice.lists.patterns import MAX_PATTERNS
from sluice.metrics import Metrics
from sluice.verdict.watchlist import Watchlist
from sluice.watching import hashes
from sluice.watching.desk import Desk
from sluice.watching.follower import watching
from sluice.watching.in_force import ListShelf, Watched
from sluice.watching.lists import LISTS, ListDesk, open_desk, with_entries, without_values

PATIENCE_S = 30.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLANKER, TOASTER = Entry("word", "clanker", owner="ann"), Entry("word", "toaster")


@pytest.fixture
def desk(kafka: KafkaConfig) -> ListDesk:
    return open_desk(kafka, PATIENCE_S)


def push(desk: ListDesk, name: str, *entries: Entry) -> None:
    desk.change(name, "push", lambda _: entries, "ann", "why")


def test_a_list_is_pushed_changed_and_removed_and_its_history_stays(desk: ListDesk) -> None:
    push(desk, "insults", CLANKER)
    desk.change("insults", "add", partial(_added, [TOASTER]), "bob")
    assert set(desk.show("insults")) == {CLANKER, TOASTER}
    desk.change("insults", "take", lambda there: without_values(there, ["clanker"]), "bob")
    assert list(desk.show("insults")) == [TOASTER]
    assert [(row.name, row.version, row.n_entries, row.by) for row in desk.rows()] == [("insults", 3, 1, "bob")]
    desk.remove("insults", "ann", "done")
    assert desk.rows() == []
    assert [
        (each.version, each.action, each.n_entries, each.n_added, each.n_removed, each.by, each.note)
        for each in desk.history("insults")
    ] == [
        (4, "remove", 0, 0, 1, "ann", "done"),
        (3, "take", 1, 0, 1, "bob", ""),
        (2, "add", 2, 1, 0, "bob", ""),
        (1, "push", 1, 1, 0, "ann", "why"),
    ]
    assert desk._read().chunks["insults"] == {}


def _added(new: Sequence[Entry], there: Sequence[Entry]) -> Sequence[Entry]:
    return with_entries(there, new)


def test_what_cannot_be_looked_for_changes_nothing(desk: ListDesk) -> None:
    push(desk, "insults", CLANKER)
    with pytest.raises(ListError, match="insults, entry 2: it is not a site"):
        push(desk, "insults", CLANKER, Entry("domain", "nowhere"))
    with pytest.raises(ListError, match="no entry 'other'"):
        desk.change("insults", "take", lambda there: without_values(there, ["other"]), "ann")
    with pytest.raises(WatchError, match="'a b' is no name"):
        push(desk, "a b", CLANKER)
    with pytest.raises(WatchError, match="no list 'other'; there are: insults"):
        desk.show("other")
    with pytest.raises(WatchError, match="no list 'other'"):
        desk.history("other")
    with pytest.raises(WatchError, match="insults: there is no entry in it; `remove` takes a list away"):
        push(desk, "insults")
    assert list(desk.show("insults")) == [CLANKER]


def test_a_push_beside_another_one_is_refused(desk: ListDesk) -> None:
    push(desk, "insults", CLANKER)

    def while_somebody_pushes(_: Sequence[Entry]) -> Sequence[Entry]:
        push(desk, "insults", TOASTER)
        return (CLANKER,)

    with pytest.raises(WatchError, match="somebody changed 'insults' meanwhile"):
        desk.change("insults", "push", while_somebody_pushes, "bob")
    assert list(desk.show("insults")) == [TOASTER]


class Process:
    """What a process looks for, one after another."""

    def __init__(self, kafka: KafkaConfig, folder: Path | None = None) -> None:
        self.kafka = kafka
        self.metrics = Metrics(CollectorRegistry())
        self.watched = Watched(folder, None, self.metrics)
        self.seen: asyncio.Queue[Watchlist] = asyncio.Queue()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        async with watching(self.kafka, self.watched, PATIENCE_S):
            self.watched.used_by(self.seen.put_nowait)
            yield

    async def next_found(self, text: str) -> list[str]:
        await asyncio.wait_for(self.seen.get(), PATIENCE_S)
        return self.found(text)

    def found(self, text: str) -> list[str]:
        finder = self.watched.lists.finder
        return [match.entry.value for match in finder.find(text, None, NOW)] if finder else []

    def count(self, series: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(series, labels)


async def test_what_is_pushed_is_looked_for_and_what_is_removed_no_more(
    kafka: KafkaConfig, desk: ListDesk, tmp_path: Path
) -> None:
    (tmp_path / "files.jsonl").write_text('{"kind": "word", "value": "kettle"}\n')
    (tmp_path / "insults.jsonl").write_text('{"kind": "word", "value": "fork"}\n')
    text = "clanker toaster kettle fork"
    await asyncio.to_thread(push, desk, "insults", CLANKER)
    process = Process(kafka, tmp_path)
    assert process.found(text) == ["kettle", "fork"]
    async with process.following():
        assert await process.next_found(text) == ["clanker", "kettle"]  # the topic's in place of the file's
        await asyncio.to_thread(push, desk, "insults", CLANKER, TOASTER)
        assert await process.next_found(text) == ["clanker", "toaster", "kettle"]
        assert process.count("sluice_list_entries", list="insults") == 2
        await asyncio.to_thread(desk.remove, "insults", "ann")
        assert await process.next_found(text) == ["kettle", "fork"]


async def test_a_list_that_cannot_be_looked_for_is_left_out_and_named(
    kafka: KafkaConfig, desk: ListDesk, caplog: pytest.LogCaptureFixture
) -> None:
    unchecked: ListDesk = Desk(kafka, kafka.topics.lists, desk._codec, lambda *_: None, PATIENCE_S)
    await asyncio.to_thread(push, desk, "insults", CLANKER)
    process = Process(kafka)
    async with process.following():
        assert await process.next_found("clanker") == ["clanker"]
        await asyncio.to_thread(push, unchecked, "wrong", Entry("regex", "("))
        assert await process.next_found("clanker") == ["clanker"]
        assert process.count("sluice_list_reloads_total", result="refused") == 1
        assert "the list wrong is refused: RE2 does not take it" in caplog.text
        junk = Producer(kafka.librdkafka())
        junk.produce(kafka.topics.lists, b"?", b"?", PARTITION)
        assert junk.flush(PATIENCE_S) == 0
        await asyncio.to_thread(push, desk, "insults", TOASTER)
        assert await process.next_found("toaster") == ["toaster"]
        assert "not taken: moderation.lists, offset" in caplog.text


async def test_files_are_read_again_and_wrong_ones_change_nothing(
    kafka: KafkaConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"kind": "word", "value": "kettle"}\n')
    process = Process(kafka, file)
    process.watched.used_by(process.seen.put_nowait)
    assert await process.next_found("kettle fork") == ["kettle"]
    file.write_text('{"kind": "word", "value": "fork"}\n')
    process.watched.reload()
    assert await process.next_found("kettle fork") == ["fork"]
    file.write_text("{")
    await asyncio.to_thread(process.watched._reread, asyncio.get_running_loop())
    assert process.found("kettle fork") == ["fork"]
    assert f"what is looked for stays as it is: {file}:1: " in caplog.text
    (tmp_path / "._insults.jsonl").write_text("what some systems keep beside a file")
    assert list_files(tmp_path) == [file]


async def test_without_the_topic_nothing_starts(kafka: KafkaConfig) -> None:
    nowhere = KafkaConfig("127.0.0.1:1", embedded=True)
    with pytest.raises(KafkaUnavailable):
        async with watching(nowhere, Process(kafka).watched, 0.2):
            pytest.fail("it began")


async def test_banks_are_shared_like_lists(kafka: KafkaConfig) -> None:
    desk, known = hashes.open_desk(kafka, PATIENCE_S), make_bank([HashEntry("md5", "ab" * 16, owner="ann")])
    more = make_bank([HashEntry("pdq", "0f" * 32)], BankSettings(distance=9))
    await asyncio.to_thread(desk.change, "known", "push", lambda _: known, "ann")
    process = Process(kafka)
    async with process.following():
        assert set(process.watched.banks._shared["known"].entries()) == set(known.entries())
        process.watched.used_by(process.seen.put_nowait)
        while not process.seen.empty():
            process.seen.get_nowait()
        await asyncio.to_thread(desk.change, "known", "add", lambda there: join(there, more), "ann")
        assert (await asyncio.wait_for(process.seen.get(), PATIENCE_S)).takes_prints
        assert process.count("sluice_bank_hashes", bank="known") == 2
        assert process.watched.banks._shared["known"].settings.distance == 9
    assert [(row.n_entries, row.version) for row in desk.rows()] == [(2, 2)]


def many(note: str) -> list[Entry]:
    """A list of several chunks, of which the note changes one."""
    return [Entry("word", f"word{n}", note=note if n == 0 else None) for n in range(1_200)]


@pytest.mark.parametrize("when", ["before the head", "after the head"])
def test_of_two_pushes_at_one_moment_one_is_there_as_a_whole(
    desk: ListDesk, kafka: KafkaConfig, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    push(desk, "insults", *many("first"))
    other, send, n_sent = open_desk(kafka, PATIENCE_S), desk._send, [0]

    def send_beside_another(records: Any) -> None:
        records, n_sent[0] = list(records), n_sent[0] + 1
        if n_sent[0] == 2 and when == "before the head":
            push(other, "insults", *many("other"), TOASTER)
        send(records)
        if n_sent[0] == 2 and when == "after the head":
            push(other, "insults", *many("other"), TOASTER)

    monkeypatch.setattr(desk, "_send", send_beside_another)
    if when == "before the head":
        push(desk, "insults", *many("mine"))
        assert set(other.show("insults")) == set(many("mine"))
    else:
        with pytest.raises(WatchError, match="somebody changed"):
            push(desk, "insults", *many("mine"))
        assert set(other.show("insults")) == {*many("other"), TOASTER}


def test_lists_that_do_not_fit_together_leave_what_was_there(tmp_path: Path) -> None:
    patterns = [Entry("regex", f"a{n}b+") for n in range(MAX_PATTERNS)]
    (tmp_path / "mine.jsonl").write_text('{"kind": "regex", "value": "kettle+"}\n')
    shelf = ListShelf(tmp_path, Metrics(CollectorRegistry()))
    shelf.lay_over({"insults": LISTS.pack([CLANKER])})
    assert found(shelf) == ["clanker", "kettle"]
    shelf.lay_over({"insults": LISTS.pack([TOASTER]), "patterns": LISTS.pack(patterns)})
    assert found(shelf) == ["toaster", "kettle"]
    shelf.lay_over({"insults": [b"\xff"]})
    assert found(shelf) == ["toaster", "kettle"]
    shelf.lay_over({"mine": [b'{"kind": "word", "value": "\xff"}\n']})
    assert found(shelf) == ["kettle"]


def found(shelf: ListShelf) -> list[str]:
    assert shelf.finder is not None
    return [match.entry.value.rstrip("+") for match in shelf.finder.find("clanker toaster kettle", None, NOW)]
