"""Lists in files: what is read, and what is refused with file and line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sluice.cli import app
from sluice.errors import ListError
from sluice.lists.entries import MAX_CHARS, Entry
from sluice.lists.files import read_entries, read_list, read_lists
from sluice.lists.patterns import MAX_PATTERNS


def write(path: Path, *entries: dict[str, Any] | str) -> Path:
    path.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in entries))
    return path


def test_entries_are_read_with_who_answers_for_them(tmp_path: Path) -> None:
    path = write(
        tmp_path / "insults.jsonl",
        "# made up",
        {"kind": "word", "value": "idiot"},
        "",
        {"kind": "domain", "value": "bad.example", "owner": "trust", "note": "spam", "expires": "2027-01-01T00:00:00Z"},
    )
    assert read_list(path) == [
        Entry("word", "idiot"),
        Entry("domain", "bad.example", owner="trust", note="spam", expires=datetime(2027, 1, 1, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("no json", "malformed"),
        ({"kind": "word"}, "value"),
        ({"kind": "verb", "value": "go"}, "verb"),
        ({"kind": "word", "value": "go", "until": 3}, "until"),
        ({"kind": "word", "value": ""}, "1 to"),
        ({"kind": "word", "value": "a" * (MAX_CHARS + 1)}, "1 to"),
        ({"kind": "word", "value": "..."}, "no letter"),
        ({"kind": "word", "value": "two words"}, "phrase"),
        ({"kind": "phrase", "value": "one"}, "several words"),
        ({"kind": "regex", "value": "("}, "missing"),
        ({"kind": "regex", "value": "x*"}, "every text"),
        ({"kind": "regex", "value": r"\pL{300}q"}, "more than 20000"),
        ({"kind": "regex", "value": "x\\\\\\C"}, "half a letter"),
        ({"kind": "domain", "value": "localhost"}, "no site|not a site"),
        ({"kind": "domain", "value": "bad.example/x"}, "no path"),
        ({"kind": "url", "value": "bad.example"}, "has a path"),
        ({"kind": "author", "value": "u-1", "expires": "2027-01-01T00:00:00"}, "time zone"),
        ({"kind": "word", "value": "known"}, "line 1"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_with_its_line(tmp_path: Path, line: Any, says: str) -> None:
    path = write(tmp_path / "list.jsonl", {"kind": "word", "value": "known"}, line)
    with pytest.raises(ListError, match=rf"list\.jsonl:2: .*({says})"):
        read_list(path)


def test_a_file_that_is_not_there_and_two_lists_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ListError, match=r"absent\.jsonl: cannot be read"):
        read_list(tmp_path / "absent.jsonl")
    (tmp_path / "other").mkdir()
    paths = [write(folder / "list.jsonl", {"kind": "word", "value": "go"}) for folder in (tmp_path, tmp_path / "other")]
    with pytest.raises(ListError, match="another list called list"):
        read_lists(paths)


def test_too_many_expressions_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "list.jsonl", *({"kind": "regex", "value": f"x{n}"} for n in range(MAX_PATTERNS + 1)))
    with pytest.raises(ListError, match=r"list\.jsonl: 2001 expressions"):
        read_list(path)


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["lists", *map(str, arguments)], input=stdin)


@pytest.fixture
def insults(tmp_path: Path) -> Path:
    past = "2020-01-01T00:00:00Z"
    return write(
        tmp_path / "insults.jsonl",
        {"kind": "word", "value": "idiot"},
        {"kind": "word", "value": "old", "expires": past},
        {"kind": "author", "value": "u-1"},
    )


def test_check_counts_entries(insults: Path) -> None:
    done = run("check", insults, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {
        "name": "insults", "n_entries": 3, "n_expired": 1, "kinds": {"author": 1, "word": 2},
    }  # fmt: skip


def test_check_names_file_and_line(tmp_path: Path) -> None:
    done = run("check", write(tmp_path / "list.jsonl", "nothing"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "list.jsonl:1: " in done.stderr


def test_match_finds_entries_in_a_text(insults: Path) -> None:
    done = run("match", insults, "--text", "you 1d10t", "--author", "u-1", "--json")
    matches = json.loads(done.stdout)["matches"]
    assert [(match["entry"]["value"], match.get("start")) for match in matches] == [("u-1", None), ("idiot", 4)]


def test_match_reads_posts_and_names_what_is_none(insults: Path, tmp_path: Path) -> None:
    posts = write(tmp_path / "posts.jsonl", {"id": "p-1", "text": "idiot"}, "nothing", {"id": "p-2", "text": "friend"})
    done = run("match", insults, "--posts", posts, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["post_id"], len(line["matches"])) for line in lines] == [("p-1", 1), ("p-2", 0)]
    assert "line 2 is no post: not_json" in done.stderr
    assert "nothing" not in done.stderr


def test_match_wants_a_text_or_posts(insults: Path) -> None:
    assert run("match", insults).exit_code == 2
    assert run("match", insults, "--text", "x", "--posts", "-").exit_code == 2


def test_a_list_of_windows_editor_is_read_and_a_pictograph_is_a_word() -> None:
    content = b'\xef\xbb\xbf{"kind": "word", "value": "\xf0\x9f\x91\x8d"}\n'
    assert read_entries(content, "f") == [Entry("word", "\N{THUMBS UP SIGN}")]
