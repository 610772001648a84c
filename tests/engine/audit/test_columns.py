"""A log in Parquet: others read its columns, and nothing in it can be changed unnoticed."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from sluice.audit.archive import FsspecArchive, open_archive
from sluice.audit.columns import READERS, require_arrow
from sluice.audit.contents import split_verdict
from sluice.audit.explaining import explain_from_log
from sluice.audit.log import AuditLog, Entry, Head
from sluice.audit.records import Body, make_private
from sluice.audit.verifying import verify
from sluice.erasure.audit import erase_from_log, find_in_log
from sluice.erasure.subjects import Subject
from sluice.errors import SettingsError
from sluice.schema import RuleReason
from tests.engine.audit.test_log import PLACE, TODAY, entry_of
from tests.engine.audit.verdicts import make_verdict

AT_MS = 1_795_000_000_000


def full_entry(offset: int, author: str = "u-1") -> Entry:
    verdict = make_verdict(f"p-{offset}", author, rules=(RuleReason(rule="loud", inputs={"scores.hate": 0.7}),))
    public, hidden = split_verdict(verdict)
    private = make_private(offset, hidden)
    body = Body(
        prev="", topic=PLACE[0], partition=0, offset=offset, at_ms=AT_MS, kind="verdict", private=private.seal(),
        says=public,
    )  # fmt: skip
    return Entry(body, private)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog(open_archive(str(tmp_path)), "parquet")
    head = log.write(PLACE, Head(), [full_entry(0), full_entry(1, "u-2")], TODAY)
    log.write(PLACE, head, [full_entry(2), full_entry(3)], TODAY)
    return log


def read(log: AuditLog, name: str) -> Any:
    return pyarrow.parquet.read_table(io.BytesIO(log.archive.read(name) or b""))


def write(log: AuditLog, name: str, table: Any) -> None:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    log.archive.write(name, sink.getvalue())


def test_others_read_in_columns_what_was_decided(log: AuditLog) -> None:
    first, _ = log.files(PLACE)
    assert first.endswith(".parquet")
    row = read(log, first).to_pylist()[0]
    verdict = make_verdict("p-0")
    assert (row["decision"], row["tenant"], row["policy"]) == (verdict.decision, verdict.tenant, verdict.policy.name)
    assert dict(row["scores"]) == dict(verdict.scores)
    assert (row["rules"], row["at"]) == (["loud"], datetime.fromtimestamp(AT_MS / 1000, UTC))
    assert set(row) == {*READERS, "hash", "body"}


def test_it_is_whole_says_who_and_ends_where_it_ends(log: AuditLog) -> None:
    findings = verify(log)
    assert (findings.wrong, findings.n_records, findings.n_private) == ([], 4, 4)
    assert log.head(PLACE).offset == 3
    (told,) = explain_from_log(log, "p-1")
    assert told.says["author_id"] == "u-2"


Edit = Callable[[dict[str, list[Any]]], object]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda columns: columns["decision"].__setitem__(0, "allow"), "a column says something else"),
        (lambda columns: columns["body"].reverse(), "a column says something else"),
        (lambda columns: columns["body"].__setitem__(0, None), "no records in Parquet"),
        (lambda columns: [column.pop(0) for column in columns.values()], "does not follow the first of the chain"),
        (lambda columns: columns["hash"].__setitem__(0, "0" * 64), "was changed"),
        (lambda columns: columns.pop("body"), "no records in Parquet"),
    ],
)
def test_what_was_changed_is_noticed(log: AuditLog, edit: Edit, said: str) -> None:
    name = log.files(PLACE)[0]
    table = read(log, name)
    columns = {column: table.column(column).to_pylist() for column in table.column_names}
    edit(columns)
    types = {field.name: field.type for field in table.schema}
    write(log, name, pyarrow.table({name: pyarrow.array(values, types[name]) for name, values in columns.items()}))
    (wrong,) = verify(log).wrong
    assert said in wrong


def test_bytes_that_are_no_file_are_named(log: AuditLog) -> None:
    name = log.files(PLACE)[0]
    log.archive.write(name, b"PAR1 and nothing else")
    (wrong,) = verify(log).wrong
    assert name in wrong


def test_an_erasure_takes_private_parts_and_leaves_the_chain(log: AuditLog) -> None:
    subject = Subject("u-1")
    assert erase_from_log(log, find_in_log(log, subject)) == 3
    findings = verify(log)
    assert (findings.wrong, findings.n_erased, findings.n_private) == ([], 3, 1)
    assert find_in_log(log, subject) == {}
    assert not any(b"u-1" in bytes(line.body) for name in log.files(PLACE) for line in log.read_file(name))


def test_a_log_goes_on_as_it_was_begun_and_may_hold_both(log: AuditLog, tmp_path: Path) -> None:
    archive = open_archive(str(tmp_path))
    head = AuditLog(archive).write(PLACE, log.head(PLACE), [entry_of(4)], TODAY)
    AuditLog(archive, "jsonl").write(PLACE, head, [entry_of(5)], TODAY)
    endings = [name.rpartition("/")[2].partition(".")[2] for name in log.files(PLACE)]
    assert endings == ["parquet", "parquet", "parquet", "jsonl.gz"]
    assert (verify(log).wrong, verify(log).n_records) == ([], 6)
    third = log.files(PLACE)[2]
    archive.remove(third)
    assert log.orphans() == [third.replace(".parquet", ".jsonl.gz")]


def test_a_store_keeps_it_as_well() -> None:
    log = AuditLog(FsspecArchive("memory://audit-parquet"), "parquet")
    log.write(PLACE, Head(), [full_entry(0)], TODAY)
    assert verify(log).n_records == 1


def test_what_is_missing_is_said_before_anything_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(SettingsError, match=r"the extra \[parquet\]"):
        require_arrow()
    with pytest.raises(SettingsError):
        AuditLog(open_archive(str(tmp_path)), "parquet")
