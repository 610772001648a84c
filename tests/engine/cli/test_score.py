"""``sluice score`` around its pipeline: settings, what is shown and written. With real models: tests/integration."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from sluice.cli import app, score, stacks
from sluice.cli.score import (
    MAX_WAITING_BYTES,
    PATIENCE_MS,
    _say_previous,
    _shower,
    _writer,
    offline_settings,
    with_triton,
)
from sluice.cli.scoring import Scored
from sluice.errors import SettingsError
from sluice.resources import default_policy
from sluice.schema import encode
from tests.engine.cli.verdicts import make_reason, make_verdict

VERDICT = make_verdict("p-1", "block", reasons=(make_reason("threat", 0.9),))
SCORED = Scored(1, VERDICT, encode(VERDICT))
NOBODYS = "there belong to no line: written twice, or of other posts"
DEAD = Scored(2, None, b'{"dead_letter": {}}', "not_json: line 1")


def test_offline_only_triton_policy_and_patience_are_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_TRITON", "elsewhere:1")
    monkeypatch.setenv("SLUICE_DEADLINE_MS", "5")
    monkeypatch.setenv("SLUICE_MEDIA_MAX_BYTES", "777")
    policy = tmp_path / "policy.yaml"
    policy.write_text("name: mine\nversion: 1\nlabels: {}\n")
    settings = with_triton(offline_settings(policy), "here:8001")
    assert settings.inference.triton == "here:8001"
    assert (settings.pipeline.deadline_ms, settings.pipeline.max_deadline_ms) == (PATIENCE_MS, PATIENCE_MS)
    assert settings.policy_path == policy
    assert settings.media.max_bytes == 777
    assert settings.picture_text.max_waiting_bytes == MAX_WAITING_BYTES
    assert not settings.inference.first_stage, "who scores a file asks for scores"
    assert offline_settings(None).policy_path == default_policy()


def test_a_wrong_setting_is_named_before_anything_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_MEDIA_MAX_BYTES", "lots")
    with pytest.raises(SettingsError, match="SLUICE_MEDIA_MAX_BYTES"):
        offline_settings(None)


def test_json_goes_to_standard_output_a_line_an_outcome(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    show = _shower(as_json=True)
    show(SCORED)
    show(DEAD)
    out, err = capfdbinary.readouterr()
    assert [json.loads(line).get("post_id") for line in out.splitlines()] == ["p-1", None]
    assert err == b""


def test_people_read_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    show = _shower(as_json=False)
    show(SCORED)
    show(Scored(2, None, b"{}", "not_json: \x1b[2J"))
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("2026-11-23T10:00:00.000Z  p-1  block  threat 0.90")
    assert second == "line 2  dead letter  not_json: \ufffd[2J"


class Sluggish(io.RawIOBase):
    """Takes three bytes at a time, as a pipe or a full disk may."""

    def __init__(self) -> None:
        self.taken = b""

    def write(self, data) -> int:
        self.taken += bytes(data[:3])
        return min(3, len(data))


def test_what_a_file_takes_piece_by_piece_is_written_whole() -> None:
    file = Sluggish()
    write = _writer(file)
    write(SCORED)
    write(DEAD)
    assert file.taken == SCORED.as_json + b"\n" + DEAD.as_json + b"\n"


@pytest.mark.parametrize(
    ("n_lines", "n_known", "said"),
    [
        (3, 3, ["3 lines had their outcome already"]),
        (5, 3, ["3 lines had their outcome already", f"2 outcomes {NOBODYS}"]),
        (0, 0, ["0 lines had their outcome already"]),
    ],
)
def test_what_an_earlier_run_wrote_is_counted(
    n_lines: int, n_known: int, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _say_previous(SimpleNamespace(n_lines=n_lines, n_known=n_known))
    assert capsys.readouterr().err.splitlines() == said


@pytest.fixture
def shares() -> list[bool]:
    """Of each run, whether rows are printed where the progress bar would be."""
    return []


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listening: str, shares: list[bool]):
    """The command with a stand-in for scoring: every line that is not skipped gets a verdict."""

    async def score_all(settings, work):
        n_done = 0
        shares.append(work.shares_rows)
        for number, line in score_lines(work.file):
            if not work.skips(number, line):
                verdict = make_verdict(json.loads(line)["id"])
                work.show(Scored(number, verdict, encode(verdict)))
                n_done += 1
        return n_done, 0.5

    def score_lines(file):
        from sluice.cli.lines import number_lines

        return number_lines(file)

    monkeypatch.setattr(score, "score_all", score_all)
    posts = tmp_path / "posts.jsonl"
    posts.write_text("".join(json.dumps({"id": f"p-{n}", "text": "hi"}) + "\n" for n in range(4)))
    return lambda *arguments: CliRunner().invoke(
        app, ["score", str(posts), "--triton", listening, *map(str, arguments)]
    )


def test_outcomes_and_the_rate_are_printed(run) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["post_id"] for line in result.stdout.splitlines()] == [f"p-{n}" for n in range(4)]
    assert "4 lines in 0.5 s: 8 posts/s" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "people_look", "expected"),
    [([], False, False), ([], True, True), (["--json"], True, True), (["--resume", "out"], True, False)],
)
def test_rows_and_the_progress_bar_never_share_a_terminal(
    run, shares: list[bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], people_look: bool,
    expected: bool,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sluice.cli.score.has_terminal", lambda: people_look)
    monkeypatch.setattr("sluice.cli.score.wants_json", lambda asked: asked or not people_look)
    assert run(*arguments).exit_code == 0
    assert shares == [expected]


def test_a_run_that_was_ended_goes_on_behind_what_is_there(run, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(encode(make_verdict("p-0")) + b"\n" + encode(make_verdict("p-2")) + b'\n{"post_id": "p-')
    result = run("--resume", out)
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["post_id"] for line in out.read_bytes().splitlines()] == ["p-0", "p-2", "p-1", "p-3"]
    assert result.stdout == ""
    assert "2 lines had their outcome already" in result.stderr
    assert "2 lines in" in result.stderr


def test_a_file_of_something_else_is_wrong_usage_and_stays(run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("my notes\n")
    assert run("--resume", tmp_path / "notes.txt").exit_code == 2
    assert (tmp_path / "notes.txt").read_text() == "my notes\n"


def test_a_policy_that_is_wrong_is_one_line_before_triton_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "posts.jsonl").write_text("")
    (tmp_path / "mine.yaml").write_text("name: mine\nversion: 1\nlabels:\n  threat: {review: 0.9, block: 0.5}\n")
    files = [str(tmp_path / name) for name in ("posts.jsonl", "mine.yaml")]
    result = CliRunner().invoke(app, ["score", files[0], "--policy", files[1]])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"sluice: {files[1]}:4: threat: review (0.9) is above block (0.5)")


def test_a_triton_that_is_named_is_not_started(listening: str) -> None:
    with stacks.open_triton(listening) as address:
        assert address == listening


@pytest.fixture
def listening() -> Iterator[str]:
    """An address at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"
