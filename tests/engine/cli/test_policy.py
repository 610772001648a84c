"""`sluice policy`, on an embedded broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sluice.cli import app
from sluice.config import KafkaConfig

FIRST = """\
tenant: forum
version: 1
extends: default
labels: {threat: {review: 0.2}}
rules:
- {name: links, when: scores.spam > 0.2, decision: review}
cases:
- {name: a link, scores: {spam: 0.25}, expect: {decision: review, rules: [links]}}
"""


class Desk:
    """A folder with a policy, and the commands on one broker."""

    def __init__(self, kafka: KafkaConfig, folder: Path) -> None:
        self.kafka, self.folder = kafka, folder

    def write(self, text: str = FIRST, name: str = "forum.yaml") -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def run(self, *arguments: str, on_kafka: bool = True) -> Result:
        where = ["--kafka", self.kafka.bootstrap] if on_kafka else []
        return CliRunner().invoke(app, ["policy", *arguments, *where])

    def rows(self, *arguments: str, on_kafka: bool = True) -> list[dict[str, object]]:
        result = self.run(*arguments, on_kafka=on_kafka)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def desk(kafka: KafkaConfig, tmp_path: Path) -> Desk:
    return Desk(kafka, tmp_path)


def test_check_says_what_was_read_and_names_the_line_of_a_mistake(desk: Desk) -> None:
    (row,) = desk.rows("check", desk.write(), "--json", on_kafka=False)
    assert (row["name"], row["version"], row["rules"], row["cases"]) == ("forum", 1, 1, 1)
    result = desk.run("check", desk.write(FIRST.replace("0.25", "0.15")), on_kafka=False)
    assert result.exit_code == 1
    assert f"{desk.folder / 'forum.yaml'}:8: case 'a link': decision is 'allow', expected 'review'" in result.stderr
    assert desk.run("check", str(desk.folder / "none.yaml"), on_kafka=False).exit_code == 1
    assert desk.run("check", on_kafka=False).exit_code == 2


def test_push_show_rollback_history_and_diff(desk: Desk) -> None:
    (pushed,) = desk.rows("push", desk.write(), "--note", "first", "--by", "ann")
    assert desk.run("show", "forum").stdout == FIRST
    second = FIRST.replace("version: 1", "version: 2").replace("review: 0.2}", "review: 0.3}")
    desk.rows("push", desk.write(second), "--by", "bob")
    listed = {str(row["name"]): row for row in desk.rows("show", "--json")}
    assert (listed["forum"]["version"], set(listed)) == (2, {"forum", "default"})
    changed = {str(row["field"]): (row["before"], row["after"]) for row in desk.rows("diff", "forum@1", "forum")}
    assert changed == {"version": (1, 2), "labels.threat.review": (0.2, 0.3)}
    assert [row["version"] for row in desk.rows("rollback", "forum")] == [1]
    assert desk.run("show", "forum").stdout == FIRST
    assert {str(row["name"]): row["sha256"] for row in desk.rows("show")}["forum"] == pushed["sha256"]
    history = [
        (row["version"], row["action"], row["by"]) for row in desk.rows("history", "forum") if row["action"] == "push"
    ]
    assert history == [(2, "push", "bob"), (1, "push", "ann")]
    assert desk.rows("history", "forum")[0]["action"] == "rollback"
    assert [row["version"] for row in desk.rows("rollback", "forum", "--to", "2")] == [2]


def test_what_is_wrong_is_not_pushed(desk: Desk) -> None:
    desk.rows("push", desk.write())
    for text, mistake in (
        (FIRST.replace("0.2}", "0.4}"), "forum.yaml:2: 'forum' has a version 1 already"),
        (FIRST.replace("version: 1", "version: 2").replace("scores.spam", "scores.spma"), "forum.yaml:6: rule 'links'"),
        (FIRST.replace("version: 1", "version: 2").replace("[links]", "[]"), "forum.yaml:8: case 'a link': rules is"),
    ):
        result = desk.run("push", desk.write(text))
        assert result.exit_code == 1
        assert mistake in result.stderr
    assert desk.run("show", "forum").stdout == FIRST


def test_a_base_is_not_pushed_that_breaks_the_cases_of_who_extends_it(desk: Desk) -> None:
    desk.rows("push", desk.write())
    base = "name: default\nversion: 99\nlabels: {spam: {review: 0.1, block: 0.2}}\n"
    result = desk.run("push", desk.write(base, "base.yaml"))
    assert result.exit_code == 1
    assert "forum@1:8: case 'a link': decision is 'block', expected 'review'" in result.stderr


def test_what_is_not_there_is_named(desk: Desk) -> None:
    desk.rows("push", desk.write())
    for arguments, mistake in (
        (("rollback", "forum"), "'forum' has had no version before 1"),
        (("rollback", "forum", "--to", "7"), "'forum' has no version 7; it has 1"),
        (("rollback", "other"), "no policy 'other' was pushed; there are: forum"),
        (("show", "forum@3"), "no version 3 of 'forum'"),
        (("show", f"forum@{'9' * 5000}"), "no policy 'forum@9999"),
        (("history", "other"), "no policy 'other'"),
        (("diff", "forum", "nowhere"), "no policy 'nowhere'; there are: forum"),
    ):
        result = desk.run(*arguments)
        assert result.exit_code == 1
        assert mistake in result.stderr


def test_the_policy_in_the_documentation_holds(desk: Desk) -> None:
    documented = Path("docs/policies.md").read_text().split("```yaml\n")[1].split("```")[0]
    (row,) = desk.rows("check", desk.write(documented), on_kafka=False)
    assert (row["name"], row["cases"]) == ("forum-a", 1)
