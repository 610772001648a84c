"""From the topics into the log: each offset once, whatever ends it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from sluice.audit.archive import open_archive
from sluice.audit.following import AuditFollower
from sluice.audit.log import AuditLog, Head
from sluice.audit.records import Line
from sluice.cli import app
from sluice.cli.audit import writing
from sluice.client import open_topic
from sluice.config import KafkaConfig
from sluice.errors import AuditError
from sluice.local.processes import python_path
from tests.components import wait_for
from tests.engine.audit.test_log import entry_of
from tests.engine.audit.verdicts import make_verdict, publish


def offsets_of(log: AuditLog) -> list[tuple[str, int, int]]:
    return [
        (*place, line.read().offset)
        for place in log.places()
        for name in log.files(place)
        for line in log.read_file(name)
    ]


def grew(log: AuditLog, before: int) -> bool:
    return len(offsets_of(log)) > before


def audit(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


def test_follows_once_and_then_what_is_new(kafka: KafkaConfig, tmp_path: Path) -> None:
    publish(kafka, *(make_verdict(f"p-{n}") for n in range(3)))
    for n_new in (3, 0):
        result = audit("follow", "--out", tmp_path, "--once", "--kafka", kafka.bootstrap)
        assert (result.exit_code, f"{n_new} records written" in result.stderr) == (0, True), result.output
    publish(kafka, make_verdict("p-3"), partition=2)
    assert "1 records written" in audit("follow", "--out", tmp_path, "--once", "--kafka", kafka.bootstrap).stderr
    checked = audit("verify", tmp_path)
    assert checked.exit_code == 0, checked.output
    assert sum(head["offset"] + 1 for head in json.loads(checked.stdout)) == 4


def test_status_says_how_far_it_is_and_whether_somebody_writes(kafka: KafkaConfig, tmp_path: Path) -> None:
    publish(kafka, make_verdict("p-0"))
    audit("follow", "--out", tmp_path, "--once", "--kafka", kafka.bootstrap)
    publish(kafka, make_verdict("p-1"), make_verdict("p-2"))
    for writer in (False, True):
        with writing(str(tmp_path)) if writer else nullcontext():
            status = json.loads(audit("status", tmp_path, "--json", "--kafka", kafka.bootstrap).stdout)
        assert (status["behind"], status["has_writer"]) == (2, writer)
    chain = next(each for each in status["chains"] if each["offset"] == 0)
    assert (chain["topic"], chain["end"], chain["behind"]) == (kafka.topics.verdicts, 3, 2)


def test_all_findings_are_printed_on_request(kafka: KafkaConfig, tmp_path: Path) -> None:
    publish(kafka, make_verdict("p-0"))
    audit("follow", "--out", tmp_path, "--once", "--kafka", kafka.bootstrap)
    findings = json.loads(audit("verify", tmp_path, "--json").stdout)
    assert findings["heads"] == json.loads(audit("verify", tmp_path).stdout)
    assert (findings["n_records"], findings["n_private"], findings["n_erased"], findings["wrong"]) == (1, 1, 0, [])


def test_a_log_that_was_changed_is_exit_code_one(kafka: KafkaConfig, tmp_path: Path) -> None:
    publish(kafka, make_verdict("p-0"), make_verdict("p-1"))
    audit("follow", "--out", tmp_path, "--once", "--kafka", kafka.bootstrap)
    (tmp_path / "heads.json").write_text(audit("verify", tmp_path).stdout)
    (file,) = (tmp_path / kafka.topics.verdicts).rglob("*.jsonl.gz")
    file.unlink()
    result = audit("verify", tmp_path, "--against", tmp_path / "heads.json")
    assert result.exit_code == 1
    assert "offset 1 is missing" in result.stderr
    assert audit("verify", tmp_path / "nowhere").exit_code == 1


def test_every_offset_is_there_once_after_kills(kafka: KafkaConfig, tmp_path: Path) -> None:
    log = AuditLog(open_archive(str(tmp_path)))
    command = [sys.executable, "-m", "sluice.cli", "audit", "follow", "-o", str(tmp_path), "--every-s", "0.1"]
    for n in range(3):
        running = subprocess.Popen([*command, "--kafka", kafka.bootstrap], env=python_path(), stderr=subprocess.DEVNULL)
        before = len(offsets_of(log))
        for batch in range(3):
            publish(kafka, *(make_verdict(f"p-{n}-{batch}-{k}") for k in range(40)), partition=batch)
        wait_for(partial(grew, log, before), "a record")
        running.kill()
        running.wait()
    assert audit("follow", "--out", tmp_path, "--once", "--kafka", kafka.bootstrap).exit_code == 0
    found = offsets_of(log)
    assert len(found) == len(set(found)) == 360
    assert audit("verify", tmp_path).exit_code == 0


def test_one_log_has_one_writer(kafka: KafkaConfig, tmp_path: Path) -> None:
    with writing(str(tmp_path)), pytest.raises(AuditError, match="another process"), writing(str(tmp_path)):
        pass


def test_a_topic_that_was_made_anew_is_refused(kafka: KafkaConfig, tmp_path: Path) -> None:
    log = AuditLog(open_archive(str(tmp_path)))
    log.write((kafka.topics.verdicts, 0), Head(), [entry_of(5)], "2026-11-28")
    with pytest.raises(AuditError, match="made anew"):
        AuditFollower(kafka, log, [kafka.topics.verdicts])


def test_a_log_on_a_topic_too_shows_what_was_taken_off_its_end(kafka: KafkaConfig, tmp_path: Path) -> None:
    follow = ("follow", "--out", tmp_path, "--once", "--kafka", kafka.bootstrap)
    publish(kafka, *(make_verdict(f"p-{n}") for n in range(3)))
    assert audit(*follow).exit_code == 0, "what is there already goes to the topic later"
    for n_more in (0, 2):
        publish(kafka, *(make_verdict(f"q-{n}") for n in range(n_more)))
        result = audit(*follow, "--to-topic")
        assert result.exit_code == 0, result.output
    lines = [line for name in AuditLog(open_archive(str(tmp_path))).files((kafka.topics.verdicts, 0)) for line in
             AuditLog(open_archive(str(tmp_path))).read_file(name)]  # fmt: skip
    assert len(lines) == 5
    with open_topic(kafka, kafka.topics.audit, 0.0, 15.0) as outcomes:
        told = list(outcomes.read_to_end())
    assert [msgspec.json.decode(each.value or b"", type=Line) for each in told] == lines
    assert not any(b"u-secret" in (each.value or b"") for each in told)
    verify = ("verify", tmp_path, "--topic", "--kafka", kafka.bootstrap)
    assert audit(*verify).exit_code == 0
    *_, last = sorted((tmp_path / kafka.topics.verdicts).rglob("*.jsonl.gz"))
    last.unlink()
    result = audit(*verify)
    assert (result.exit_code, "offset 4 is missing: the end of the chain was taken off" in result.stderr) == (1, True)
    assert audit("verify", tmp_path).exit_code == 0, "else nobody sees it"


def test_another_log_does_not_go_on_the_topic_of_the_first(kafka: KafkaConfig, tmp_path: Path) -> None:
    publish(kafka, make_verdict("p-0"))
    for name in ("one", "other"):
        result = audit("follow", "--out", tmp_path / name, "--once", "--to-topic", "--kafka", kafka.bootstrap)
        assert result.exit_code == 0, result.output  # it is as far as the topic: nothing to compare yet
    publish(kafka, make_verdict("p-1"))
    result = audit("follow", "--out", tmp_path / "other", "--once", "--to-topic", "--kafka", kafka.bootstrap)
    assert (result.exit_code, "does not follow what the audit topic has" in result.stderr) == (1, True)


@pytest.mark.parametrize("name", ["erasures", "private"])
def test_a_topic_with_a_name_of_the_logs_own_is_refused(kafka: KafkaConfig, tmp_path: Path, name: str) -> None:
    with pytest.raises(AuditError, match="uses this name itself"):
        AuditFollower(kafka, AuditLog(open_archive(str(tmp_path))), [name])
