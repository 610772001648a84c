"""``sluice match``: what their thresholds come to in our scores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sluice.api.equivalents import CUTS, SERVICES, equivalents_of
from sluice.cli import app
from sluice.schema import LABELS, encode
from tests.engine.cli.verdicts import make_verdict

N_POSTS = 100


@pytest.fixture
def verdicts(tmp_path: Path) -> Path:
    """Posts whose every score is a hundredth of their number, and a dead letter."""
    lines = [
        encode(make_verdict(post_id=f"p-{number}", scores=dict.fromkeys(LABELS, number / N_POSTS)))
        for number in range(N_POSTS)
    ]
    file = tmp_path / "verdicts.jsonl"
    file.write_bytes(b"\n".join([*lines, b'{"dead_letter": {"reason": "not_json"}}']) + b"\n")
    return file


def write_theirs(folder: Path, name: str) -> Path:
    """The same order of posts on another scale, and one post that we have not scored."""
    file = folder / "theirs.jsonl"
    lines = [{"post_id": f"p-{number}", "scores": {name: number / 10}} for number in range(N_POSTS + 1)]
    file.write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))
    return file


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["match", *map(str, arguments)])


def test_the_same_share_is_flagged(verdicts: Path, tmp_path: Path) -> None:
    theirs = write_theirs(tmp_path, "TOXICITY")
    done = run(verdicts, theirs, "--at", "TOXICITY=8", "--json")
    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)
    assert (row["name"], row["their_threshold"]) == ("TOXICITY", 8)
    assert (row["their_share"], row["our_share"], row["agreement"]) == (0.2, 0.2, 1.0)
    assert row["threshold"] == pytest.approx(0.795)
    assert "100 posts stand in both files" in done.stderr


@pytest.mark.parametrize(("service", "name"), [("perspective", "INSULT"), ("openai", "hate"), ("azure", "Violence")])
def test_each_service_has_its_names_and_common_thresholds(
    verdicts: Path, tmp_path: Path, service: str, name: str
) -> None:
    done = run(verdicts, write_theirs(tmp_path, name), "--service", service)
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert done.stderr.count(name) == len(CUTS[service])  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        (["--service", "acme"], "none of perspective, openai, azure"),
        (["--at", "WISDOM=0.5"], "none of TOXICITY"),
        (["--at", "TOXICITY=high"], "NAME=THRESHOLD is wanted"),
    ],
)
def test_wrong_usage_is_named(verdicts: Path, tmp_path: Path, arguments: list[str], mistake: str) -> None:
    done = run(verdicts, write_theirs(tmp_path, "TOXICITY"), *arguments)
    assert done.exit_code == 2
    assert mistake in " ".join(done.stderr.replace("│", " ").split())


def test_a_line_that_is_wrong_is_named(verdicts: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"post_id": "p-1"}\n')
    assert "wrong.jsonl:1" in run(verdicts, wrong).stderr.replace("\n", "").replace("│", "").replace(" ", "")
    assert run(wrong, write_theirs(tmp_path, "TOXICITY")).exit_code == 2


def test_no_common_post_is_a_mistake(verdicts: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.jsonl"
    theirs.write_text('{"post_id": "other", "scores": {"TOXICITY": 0.5}}\n')
    assert run(verdicts, theirs).exit_code == 2


def test_every_service_has_common_thresholds() -> None:
    assert set(CUTS) == set(SERVICES)
    verdict = make_verdict(scores=dict.fromkeys(LABELS, 0.5), severity=dict.fromkeys(LABELS, 0.5))
    for service in SERVICES:
        assert all(0 < score(verdict) <= 0.5 for score in equivalents_of(service).values())
