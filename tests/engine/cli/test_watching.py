"""``sluice lists`` and ``sluice hashes``: what workers share, on an embedded broker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from sluice.cli import app
from sluice.config import KafkaConfig

PDQ, MD5 = "0f" * 32, "cd" * 16

Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(kafka: KafkaConfig) -> Run:
    """Run a command on the broker; what it prints, line by line."""

    def command(*arguments: object, exit_code: int = 0) -> list[dict[str, Any]]:
        done = CliRunner().invoke(app, [*map(str, arguments), "--kafka", kafka.bootstrap])
        assert done.exit_code == exit_code, done.output
        return [json.loads(line) for line in done.stdout.splitlines()] if exit_code == 0 else [{"said": done.stderr}]

    return command


def test_a_list_is_pushed_shown_and_removed(run: Run, tmp_path: Path) -> None:
    file, more = tmp_path / "insults.jsonl", tmp_path / "more" / "insults.jsonl"
    file.write_text('{"kind": "word", "value": "clanker"}\n')
    more.parent.mkdir()
    more.write_text('{"kind": "word", "value": "toaster"}\n')
    assert [(row["name"], row["n_entries"]) for row in run("lists", "push", file, "--note", "why")] == [("insults", 1)]
    assert run("lists", "push", more, "--add", "--by", "bob")[0]["n_entries"] == 2
    assert [row["name"] for row in run("lists", "show")] == ["insults"]
    assert sorted(entry["value"] for entry in run("lists", "show", "insults")) == ["clanker", "toaster"]
    assert run("lists", "remove", "insults", "clanker")[0]["n_entries"] == 1
    assert run("lists", "remove", "insults")[0]["action"] == "remove"
    actions = [(change["action"], change["note"]) for change in run("lists", "history", "insults")]
    assert actions == [("remove", ""), ("take", ""), ("add", ""), ("push", "why")]
    (said,) = run("lists", "show", "insults", exit_code=1)
    assert "there is no list 'insults'; there are: none" in said["said"]


def test_whose_picture_it_is_hands_in_hashes_alone_and_takes_them_back(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "mine.png"
    Image.effect_noise((300, 300), 80).save(picture)
    made = CliRunner().invoke(app, ["hashes", "of", str(picture), "--id", "case-7", "--json"])
    (tmp_path / "own.jsonl").write_text(made.stdout)
    assert run("hashes", "push", tmp_path / "own.jsonl", "--add")[0]["n_entries"] == 3
    shown = run("hashes", "export", "own", "--format", "hma")
    assert {entry["id"] for entry in shown} == {"case-7"}
    values = [json.loads(line)["value"] for line in made.stdout.splitlines()]
    assert run("hashes", "remove", "own", *values)[0]["n_entries"] == 0


def test_a_bank_is_pushed_exported_and_removed(run: Run, tmp_path: Path) -> None:
    file, more = tmp_path / "known.csv", tmp_path / "more" / "known.json"
    file.write_text(PDQ)
    more.parent.mkdir()
    more.write_text(json.dumps({"md5": MD5, "owner": "ann"}))
    assert run("hashes", "push", file, "--negative", "--distance", "9")[0]["n_entries"] == 1
    assert run("hashes", "push", more, "--add")[0]["n_entries"] == 2
    assert [row["name"] for row in run("hashes", "show")] == ["known"]
    exported = run("hashes", "export", "known", "--format", "hma")
    assert exported == [{"pdq": PDQ}, {"md5": MD5, "owner": "ann"}]
    assert run("hashes", "remove", "known", PDQ)[0]["n_entries"] == 1
    assert run("hashes", "remove", "known")[0]["n_removed"] == 1
    assert [change["action"] for change in run("hashes", "history", "known")] == ["remove", "take", "add", "push"]


def sluice(*arguments: object) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done.stdout


def test_files_are_hashed_checked_matched_and_turned(tmp_path: Path) -> None:
    picture, text, bank = tmp_path / "p.png", tmp_path / "t.bin", tmp_path / "known.csv"
    Image.linear_gradient("L").save(picture)
    text.write_bytes(b"x")
    rows = [json.loads(line) for line in sluice("hashes", "of", picture, text, "--json").splitlines()]
    assert [(row["file"], row["kind"]) for row in rows] == [
        ("p.png", "sha256"), ("p.png", "md5"), ("p.png", "pdq"), ("t.bin", "sha256"), ("t.bin", "md5"),
    ]  # fmt: skip
    bank.write_text("kind,value\n" + "".join(f"{row['kind']},{row['value']}\n" for row in rows[-2:]))
    assert json.loads(sluice("hashes", "check", bank, "--json"))["sha256"] == 1
    matched = [json.loads(line) for line in sluice("hashes", "match", bank, "--file", text, "--json").splitlines()]
    assert [(match["bank"], match["part"]) for match in matched] == [("known", "t.bin")]
    turned = json.loads(sluice("hashes", "import", bank, "--format", "threatexchange"))
    assert {row["type"] for row in turned["data"]} == {"HASH_SHA256", "HASH_MD5"}
    wrong = CliRunner().invoke(app, ["hashes", "import", str(bank), "--format", "xml"])
    assert wrong.exit_code == 2
    assert CliRunner().invoke(app, ["hashes", "check", str(bank), "--kind", "photo"]).exit_code == 2
    missing = CliRunner().invoke(app, ["hashes", "of", str(tmp_path / "nope.jpg")])
    assert (missing.exit_code, "cannot be read" in missing.output) == (1, True)
