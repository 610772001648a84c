"""The log: what is in it, what can be erased, and what is noticed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from sluice.audit.archive import UNFINISHED, FsspecArchive, open_archive
from sluice.audit.contents import join_verdict, reader_of, split_verdict
from sluice.audit.log import ERASURES, AuditLog, Entry, Head
from sluice.audit.records import Body, hash_body, make_private
from sluice.audit.verifying import verify
from sluice.config import Topics
from sluice.errors import AuditError
from sluice.schema import RuleReason, Verdict
from tests.engine.audit.verdicts import make_verdict

PLACE = ("verdicts", 0)
TODAY = "2026-11-28"


def entry_of(offset: int, at_ms: int = 1_795_000_000_000) -> Entry:
    private = make_private(offset, {"post_id": f"p-{offset}"})
    body = Body(
        prev="", topic=PLACE[0], partition=0, offset=offset, at_ms=at_ms, kind="verdict", private=private.seal()
    )
    return Entry(body, private)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    """Nine records in three files."""
    log = AuditLog(open_archive(str(tmp_path)))
    head = Head()
    for begin in (0, 3, 6):
        head = log.write(PLACE, head, [entry_of(begin + n) for n in range(3)], TODAY)
    return log


def change(log: AuditLog, name: str, edit: Callable[[list[bytes]], list[bytes]]) -> None:
    lines = gzip.decompress(log.archive.read(name) or b"").splitlines()
    log.archive.write(name, gzip.compress(b"\n".join(edit(lines)) + b"\n"))


def test_a_log_that_nobody_touched_is_whole(log: AuditLog) -> None:
    findings = verify(log)
    assert (findings.wrong, findings.n_records, findings.n_private) == ([], 9, 9)
    assert findings.heads[0].offset == 8
    assert log.head(PLACE).hash == findings.heads[0].hash


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda lines: [lines[0], lines[1].replace(b'"verdict"', b'"unread"'), lines[2]], "offset 4 was changed"),
        (lambda lines: [lines[0], lines[2]], "offset 5 does not follow offset 3"),
        (lambda lines: [lines[1], lines[0], lines[2]], "offset 4 does not follow offset 2"),
        (lambda lines: [lines[0], lines[0], lines[1], lines[2]], "offset 3 stands behind offset 3"),
    ],
    ids=["changed", "removed", "moved", "twice"],
)
def test_the_first_record_that_is_wrong_is_named(log: AuditLog, edit, said: str) -> None:
    change(log, log.files(PLACE)[1], edit)
    (wrong,) = verify(log).wrong
    assert wrong.startswith("verdicts/0: ")
    assert said in wrong


def test_a_file_that_was_taken_away_is_noticed(log: AuditLog) -> None:
    log.archive.remove(log.files(PLACE)[1])
    assert any("offset 6 does not follow offset 2" in wrong for wrong in verify(log).wrong)


def test_an_end_that_was_taken_off_is_noticed_by_an_earlier_check(log: AuditLog) -> None:
    heads = verify(log).heads
    log.archive.remove(log.files(PLACE)[2])
    assert verify(log).wrong == []
    assert "offset 8 is missing" in verify(log, heads).wrong[0]


def test_a_file_that_is_cut_is_named(log: AuditLog) -> None:
    name = log.files(PLACE)[1]
    log.archive.write(name, (log.archive.read(name) or b"")[:-20])
    assert name in verify(log).wrong[0]


def test_another_private_part_is_noticed(log: AuditLog) -> None:
    change(log, "private/" + log.files(PLACE)[0], lambda lines: [lines[0].replace(b"p-0", b"p-9"), *lines[1:]])
    assert "offset 0 has another private part" in verify(log).wrong[0]


def test_a_private_part_that_went_without_an_erasure_is_noticed(log: AuditLog) -> None:
    log.write_private(log.files(PLACE)[0], [])
    assert "offset 0 lacks its private part, and no erasure says why" in verify(log).wrong[0]


def test_an_unfinished_write_leaves_nothing(log: AuditLog, tmp_path: Path) -> None:
    (tmp_path / "verdicts" / f"{UNFINISHED}1").write_bytes(b"half")
    assert verify(log).wrong == []
    log.write_private("verdicts/0/2026-11-28/00000000000000000009.jsonl.gz", [make_private(9, {"post_id": "p"})])
    log.drop_orphans()
    assert len(log.archive.names("private/")) == 3


def test_days_go_forwards_whatever_clocks_say(log: AuditLog) -> None:
    late = log.write(PLACE, log.head(PLACE), [entry_of(9, at_ms=4_000_000_000_000)], "2026-11-29")
    assert late.day == "2026-11-29"
    assert log.write(PLACE, late, [entry_of(10, at_ms=0)], "2026-11-30").day == "2026-11-29"
    assert verify(log).wrong == []


def test_a_store_keeps_a_log_as_well() -> None:
    log = AuditLog(FsspecArchive("memory://audit-test"))
    log.write(PLACE, Head(), [entry_of(0)], TODAY)
    assert log.places() == [PLACE]
    assert verify(log).n_records == 1
    log.archive.remove(log.files(PLACE)[0])
    assert log.archive.read("nothing") is None


def test_a_store_without_its_package_is_an_error() -> None:
    with pytest.raises(AuditError, match="cannot be opened"):
        open_archive("nosuch://bucket")


def test_what_a_verdict_says_of_a_person_is_private() -> None:
    verdict = make_verdict("p-1")
    public, private = split_verdict(verdict)
    for word in (b"p-1", b"u-secret", b"author_standing"):
        assert word not in msgspec.json.encode(public)
    assert public["rules"][0]["inputs"] == {"scores.hate": 0.7}
    assert msgspec.convert(join_verdict(public, private), Verdict) == verdict


def test_what_cannot_be_read_is_noted() -> None:
    topics = Topics()
    for topic, value in ((topics.verdicts, b"{"), (topics.verdicts, None), (topics.decisions, b"[]")):
        assert reader_of(topic, topics)(b"k", value, ())[0] == "unread"
    assert reader_of(topics.policies, topics)(b"shop", None, ())[1]["sha256"] is None
    kind, public, private = reader_of(topics.decisions, topics)(b"p", b'{"post_id":"p","decision":"block"}', ())
    assert (kind, public, private) == ("decision", {"decision": "block"}, {"post_id": "p"})


def test_what_nobody_named_of_a_decision_is_in_no_record() -> None:
    told = b'{"post_id":"p-1","decision":"block","comment":"meet me at 5","reviewer":"anna","decided_at":"by anna"}'
    kind, public, private = reader_of(Topics().decisions, Topics())(b"p-1", told, ())
    assert (kind, public) == ("decision", {"decision": "block"})
    assert private == {"post_id": "p-1", "decided_at": "by anna"}
    assert reader_of(Topics().decisions, Topics())(b"k", b'{"text": "hello"}', ())[0] == "unread"


def test_why_a_rule_failed_is_private() -> None:
    failed = RuleReason(rule="odd", failed='NOT_FOUND: Key not found in map : "u-secret"')
    public, private = split_verdict(make_verdict("p-1", rules=(failed,)))
    assert b"u-secret" not in msgspec.json.encode(public)
    assert join_verdict(public, private)["rules"][0]["failed"] == failed.failed


@pytest.mark.parametrize(
    "name", ["x.jsonl.gz", "verdicts/backup/2026-11-28/00000000000000000000.jsonl.gz", "private/a"]
)
def test_a_file_that_is_none_of_the_log_is_named(log: AuditLog, name: str) -> None:
    log.archive.write(name, b"")
    assert any("this is no file of the log" in wrong for wrong in verify(log).wrong)
    assert log.places() == [PLACE]


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"a":' * 100_000 + b"1" + b"}" * 100_000])
def test_a_record_that_is_none_is_named(log: AuditLog, body: bytes) -> None:
    line = b'{"hash":"' + hash_body(body).encode() + b'","body":' + body + b"}"
    change(log, log.files(PLACE)[0], lambda lines: [line, *lines[1:]])
    (wrong,) = verify(log).wrong
    assert "00000000000000000000.jsonl.gz" in wrong


@pytest.mark.parametrize("says", [{}, {"records": 5}, {"records": [["verdicts", "0"]]}])
def test_an_erasure_that_does_not_say_what_is_named(log: AuditLog, says: dict) -> None:
    body = Body(prev="", topic=ERASURES, partition=0, offset=0, at_ms=0, kind="erasure", says=says)
    log.write((ERASURES, 0), Head(), [Entry(body)], TODAY)
    assert any("does not say what was erased" in wrong for wrong in verify(log).wrong)


def test_a_chain_that_went_as_a_whole_is_noticed_by_what_it_left(log: AuditLog) -> None:
    for name in log.files(PLACE):
        log.archive.remove(name)
    assert sum("the chain's file is not" in wrong for wrong in verify(log).wrong) == 3


def test_a_private_part_of_no_record_is_named(log: AuditLog) -> None:
    name = log.files(PLACE)[0]
    log.write_private(name, [*log.read_private(name).values(), make_private(77, {"post_id": "x"})])
    assert "offset 77 is not there, and has a private part" in verify(log).wrong[0]
