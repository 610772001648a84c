"""``sluice backtest``, on files and on a broker."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from sluice.cli import app
from sluice.config import KafkaConfig
from sluice.kafka import ensure_topics
from sluice.schema import LABELS, Post, Verdict, encode
from tests.engine.cli.verdicts import make_reason, make_verdict

RUNS = "<script>alert(1)</script>"
POLICY = "name: strict\nversion: 2\nlabels:\n  hate: {review: 0.2, block: 0.8}\n"


def verdict_of(post_id: str, hate: float, decision: str = "allow") -> Verdict:
    reasons = (make_reason("hate", hate),) if decision != "allow" else ()
    return make_verdict(post_id, decision, scores={**dict.fromkeys(LABELS, 0.0), "hate": hate}, reasons=reasons)


VERDICTS = (verdict_of(f"a{RUNS}", 0.5), verdict_of("b", 0.9, "review"), verdict_of("c", 0.1))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.yaml").write_text(POLICY)
    lines = [*map(encode, VERDICTS), b'{"dead_letter": {"reason": "not_json", "line": 2}}']
    (tmp_path / "verdicts.jsonl").write_bytes(b"\n".join(lines))
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["backtest", "--policy", "new.yaml", *map(str, arguments)])


def test_what_would_change_is_shown(folder: Path) -> None:
    result = run("--verdicts", "verdicts.jsonl")
    assert result.exit_code == 0, result.output
    assert "3 posts decided anew by strict 2" in result.stderr
    assert "allow -> review" in result.stderr
    assert "review -> block" in result.stderr


def test_the_figures_as_json(folder: Path) -> None:
    figures = json.loads(run("--verdicts", "verdicts.jsonl", "--json").stdout)
    assert (figures["posts"], figures["changed"]) == (3, 2)
    assert figures["decisions"] == {"allow": [2, 1], "review": [1, 1], "block": [0, 1]}


@pytest.mark.parametrize(("guard", "exit_code", "said"), [("changed=70%", 0, "kept"), ("block=+5%", 1, "broken")])
def test_a_broken_guard_is_the_exit_code(folder: Path, guard: str, exit_code: int, said: str) -> None:
    result = run("--verdicts", "verdicts.jsonl", "--guard", guard)
    assert result.exit_code == exit_code
    assert f"guard {guard}: {said}" in result.stderr


def test_the_page_shows_posts_and_runs_nothing(folder: Path) -> None:
    (folder / "posts.jsonl").write_bytes(encode(Post(id=f"a{RUNS}", text=f"made up {RUNS}")))
    result = run("--verdicts", "verdicts.jsonl", "--posts", "posts.jsonl", "-o", "page.html", "--guard", "review=+1%")
    assert result.exit_code == 0, result.output
    page = (folder / "page.html").read_text()
    assert "made up" in page
    assert "allow → review" in page
    assert RUNS not in page


def test_what_stands_in_brackets_is_shown_and_is_no_markup(folder: Path) -> None:
    tenants = ("a", "[/b]", "\x1b[2J")
    verdicts = [msgspec.structs.replace(verdict, tenant=name) for verdict, name in zip(VERDICTS, tenants, strict=True)]
    (folder / "verdicts.jsonl").write_bytes(b"\n".join(map(encode, verdicts)))
    result = run("--verdicts", "verdicts.jsonl")
    assert result.exit_code == 0, result.output
    assert "[/b]" in result.stderr
    assert "\x1b" not in result.stderr


def test_guards_are_not_kept_by_nothing(folder: Path) -> None:
    (folder / "verdicts.jsonl").write_bytes(b"")
    assert run("--verdicts", "verdicts.jsonl").exit_code == 0
    result = run("--verdicts", "verdicts.jsonl", "--guard", "review=+0%")
    assert result.exit_code == 1
    assert "no post to hold the guards against" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--guard", "reviews=1%"], "is no guard"),
        (["--since", "9" * 400 + "d"], "is no age"),
        (["--since", "soon"], "is no age"),
        (["--verdicts", "nowhere.jsonl"], "cannot read nowhere.jsonl"),
        (["--verdicts", "new.yaml"], "new.yaml:1 is neither a verdict nor a dead letter"),
        (["--verdicts", "verdicts.jsonl", "-o", "nowhere/page.html"], "cannot write"),
    ],
)
def test_wrong_usage_is_named(folder: Path, arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_a_wrong_policy_is_named_with_its_line(folder: Path) -> None:
    (folder / "new.yaml").write_text(POLICY + "  hat: {}\nlabel: 1\n")
    result = run("--verdicts", "verdicts.jsonl")
    assert result.exit_code == 1
    assert "new.yaml:" in result.stderr


def test_verdicts_of_a_topic_from_a_time_on(folder: Path, kafka: KafkaConfig) -> None:
    ensure_topics(kafka)
    now_ms = int(time.time() * 1000)
    producer = Producer(kafka.librdkafka())
    for age_ms, verdict in zip((86_400_000, 1_000, 1_000), VERDICTS, strict=True):
        producer.produce(kafka.topics.verdicts, encode(verdict), timestamp=now_ms - age_ms)
    producer.flush(30)
    figures = json.loads(run("--kafka", kafka.bootstrap, "--since", "1h", "--json").stdout)
    assert (figures["posts"], figures["changed"]) == (2, 1)
