"""What is asked for over HTTP is what the commands come to: on a real Kafka, with our own commands as processes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sluice.api.config import ApiConfig
from sluice.api.keys import SCOPES
from sluice.jobs.commands import open_job_desk
from sluice.jobs.requests import Places
from sluice.local.kafka import NativeKafka
from tests.components import wait_for
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving
from tests.integration.erasing import GONE, SECRET, Place, holds, run

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

POLICY = "name: strict\nversion: 7\nextends: default\nlabels: {hate: {review: 0.01, block: 0.65}}\n"


@pytest.fixture
def place(
    request: pytest.FixtureRequest, kafka_broker: NativeKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    """Posts of six authors with their verdicts, and what people decided; the environment names the topics."""
    made = Place(kafka_broker.kafka.bootstrap, f"jobs-{request.node.name[5:11]}", tmp_path)
    for variable, value in made.environment().items():
        monkeypatch.setenv(variable, value)
    made.fill()
    made.judge_all()
    assert run("audit", "follow", "--out", tmp_path / "log", "--once").exit_code == 0
    return made


@pytest.fixture
def client(place: Place, tmp_path: Path) -> Iterator[httpx.Client]:
    key = tmp_path / "puid.key"
    key.write_text("0123456789abcdef" * 4)
    config = ApiConfig(places=Places((str(tmp_path / "log"),), key))
    desk = open_job_desk(place.kafka, {**os.environ, "SLUICE_KAFKA": "nowhere:1"})
    with (
        serving(FakeScorer(), config, key_entry(scopes=SCOPES), job_desk=desk) as address,
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as opened,
    ):
        yield opened


def begin(client: httpx.Client, path: str, body: dict[str, Any]) -> str:
    return str(client.post(path, json=body).raise_for_status().headers["Location"])


def wait_until_ended(client: httpx.Client, path: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(path).raise_for_status().json()
        return job if job["ended_at"] else None

    return wait_for(look, "the end of the job", 120.0)


def without_times(value: Any) -> Any:
    """Without when weeks begin, which is so long before a command began."""
    if isinstance(value, dict):
        return {name: without_times(each) for name, each in value.items() if name != "begins"}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def test_figures_over_http_are_those_of_the_commands(client: httpx.Client, tmp_path: Path) -> None:
    policy = tmp_path / "strict.yaml"
    policy.write_text(POLICY)
    asked: dict[str, tuple[dict[str, Any], list[object]]] = {
        "/v1/backtests": (
            {"policies": [POLICY], "since": "1d", "guards": ["block=+0%"]},
            ["backtest", "--policy", policy, "--since", "1d", "--guard", "block=+0%", "--json"],
        ),
        "/v1/drifts": ({"last": "1d"}, ["drift", "--last", "1d", "--json"]),
        "/v1/decision-reports": ({"since": "1d"}, ["decisions", "report", "--since", "1d", "--json"]),
        "/v1/audit-checks": ({}, ["audit", "verify", "--json", tmp_path / "log"]),
        "/v1/audit-statuses": ({"log": 1}, ["audit", "status", "--json", tmp_path / "log"]),
        "/v1/transparency-exports": ({"since": "1d", "format": "csv"}, ["transparency", "--since", "1d"]),
        "/v1/erasures": ({"author": GONE, "preview": True},
                         ["erase", "--author", GONE, "--audit", tmp_path / "log", "--preview", "--json"]),
    }  # fmt: skip
    paths = {path: begin(client, path, body) for path, (body, _) in asked.items()}
    shadow = begin(client, "/v1/shadows", {"policies": [POLICY], "since": "1d", "for": "1s"})
    jobs = {path: wait_until_ended(client, job) for path, job in paths.items()}
    for path, (_, arguments) in asked.items():
        told = run(*arguments)
        assert (jobs[path]["state"], jobs[path]["passed"]) == ("done", told.exit_code == 0), jobs[path]
        assert without_times(jobs[path]["result"]) == without_times(json.loads(told.stdout)), path
    backtest = jobs["/v1/backtests"]
    assert (backtest["passed"], backtest["result"]["posts"], backtest["result"]["changed"]) == (False, 60, 60)
    assert wait_until_ended(client, shadow)["result"]["turns"] == backtest["result"]["turns"]
    page = client.get(backtest["page"]).text
    assert "<title>Backtest</title>" in page
    assert SECRET not in page
    statements = client.get(jobs["/v1/transparency-exports"]["file"]).text.splitlines()
    assert len(statements) == 1 + jobs["/v1/transparency-exports"]["result"]["statements"]


def test_an_erasure_over_http_is_the_commands(place: Place, client: httpx.Client, tmp_path: Path) -> None:
    author = ("--author", GONE, "--audit", tmp_path / "log", "--json")
    found = {row["where"]: row["found"] for row in json.loads(run("erase", *author, "--preview").stdout)["rows"]}
    job = wait_until_ended(client, begin(client, "/v1/erasures", {"author": GONE, "confirm": True}))
    assert (job["state"], job["passed"], GONE in json.dumps(job)) == ("done", True, False), job
    assert {row["where"]: (row["found"], row["left"]) for row in job["result"]["rows"]} == {
        where: (n, 0) for where, n in found.items()
    }
    words = [GONE.encode(), SECRET.encode()]
    for topic in (place.kafka.topics.posts, place.kafka.topics.verdicts, place.kafka.topics.feedback):
        assert [message.offset() for message in place.everything(topic) if holds(message, words)] == []
    assert run("audit", "verify", tmp_path / "log").exit_code == 0
