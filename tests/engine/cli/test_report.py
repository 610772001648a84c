"""``sluice report``, and what the demo makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sluice.cli import app, demo
from sluice.cli import results as demo_results
from sluice.schema import Post, encode
from tests.engine.cli.verdicts import make_reason, make_verdict

VERDICT = make_verdict("p-1", "block", reasons=(make_reason("threat", 0.9),))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


@pytest.fixture
def verdicts(tmp_path: Path) -> Path:
    path = tmp_path / "verdicts.jsonl"
    path.write_bytes(encode(VERDICT) + b'\n{"dead_letter": {"reason": "not_json", "line": 2}}\n')
    return path


def test_a_page_is_written(tmp_path: Path, verdicts: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_bytes(encode(Post(id="p-1", text="a made-up threat")) + b"\nnot json\n")
    result = run(verdicts, "--posts", posts, "-o", tmp_path / "out.html")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "1 verdicts, 1 dead letters" in result.stderr
    assert "a made-up threat" in (tmp_path / "out.html").read_text()


def test_the_posts_may_be_left_out(tmp_path: Path, verdicts: Path) -> None:
    assert run(verdicts, "-o", tmp_path / "out.html").exit_code == 0
    assert "p-1" in (tmp_path / "out.html").read_text()


def test_a_line_that_is_no_outcome_is_named(tmp_path: Path, verdicts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with verdicts.open("ab") as file:
        file.write(b'\n{"id": "p-1", "text": "a secret"}\n')
    result = run(verdicts.name, "-o", "out.html")
    assert result.exit_code == 2
    assert "verdicts.jsonl:4 is neither a verdict nor a dead letter" in result.stderr
    assert "secret" not in result.stderr
    assert not (tmp_path / "out.html").exists()


def test_files_that_cannot_be_read_or_written_are_named(tmp_path: Path, verdicts: Path) -> None:
    assert run(tmp_path / "nothing").exit_code == 2
    assert run(verdicts, "--posts", tmp_path / "nothing", "-o", tmp_path / "out.html").exit_code == 2
    assert run(verdicts, "-o", tmp_path / "no" / "out.html").exit_code == 2
    assert run(verdicts, "--policy", tmp_path / "nothing", "-o", tmp_path / "out.html").exit_code == 1


@pytest.mark.parametrize("posts", [None, "posts.jsonl", "-"])
def test_the_demo_writes_one_or_offers_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], posts: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("posts.jsonl").write_bytes(encode(Post(id="sample-insult", text="of the file")))
    verdict = make_verdict("sample-insult", "block", reasons=(make_reason("harassment", 0.9),))
    results = demo_results.Results(lines=[1])
    results.found[0] = demo_results.Result(1, verdict, "", encode(verdict), 0.01)
    demo._report(results, posts, None)
    assert "sluice demo --report report.html" in capsys.readouterr().err
    demo._report(results, posts, tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text()
    shown = {None: "stupid idiot", "posts.jsonl": "of the file", "-": None}[posts]
    assert (shown or "<article>") in page
    assert ("<blockquote" in page) == (shown is not None)


def test_the_lines_of_an_earlier_run_are_read_as_they_are(tmp_path: Path, verdicts: Path) -> None:
    unknown = json.loads(encode(VERDICT)) | {"post_id": "p-2", "new_field": 1}
    verdicts.write_text(json.dumps(unknown))
    assert run(verdicts, "-o", tmp_path / "out.html").exit_code == 0
