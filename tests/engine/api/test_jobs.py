"""Commands asked for over HTTP, with a scripted one in their place."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from sluice.api.config import ApiConfig
from sluice.api.keys import KeyEntry, hash_key
from sluice.jobs.desk import JobDesk, Limits
from sluice.jobs.running import Launcher
from tests.components import wait_for
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving
from tests.engine.jobs.scripted import make_launcher
from tests.engine.jobs.test_requests import BODIES, PLACES, POLICY

JOBS = ("backtest", "statistics", "audit", "transparency", "erase")
LOCAL = {"id": "p-1", "images": [{"uri": "file:///etc/passwd"}]}
PATHS = {
    "backtest": "/v1/backtests",
    "shadow": "/v1/shadows",
    "drift": "/v1/drifts",
    "decision-report": "/v1/decision-reports",
    "label-export": "/v1/label-exports",
    "calibration": "/v1/calibrations",
    "audit-check": "/v1/audit-checks",
    "audit-status": "/v1/audit-statuses",
    "erasure": "/v1/erasures",
    "transparency-export": "/v1/transparency-exports",
}


def launch(folder: Path, *words: str) -> Launcher:
    """Does the words, whatever it is asked for besides."""
    made = make_launcher(folder)
    return Launcher((*made.command, *words), made.environment, made.max_file_bytes, made.stop_s)


@contextmanager
def asking(launcher: Launcher, limits: Limits | None = None, scopes: tuple[str, ...] = JOBS) -> Iterator[httpx.Client]:
    """A client with a key of these scopes."""
    keys = key_entry(scopes=scopes)
    config = ApiConfig(places=PLACES)
    with (
        serving(FakeScorer(), config, keys, job_desk=JobDesk(launcher, limits)) as address,
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client,
    ):
        yield client


def wait_until_ended(client: httpx.Client, path: str) -> dict:
    def look() -> dict | None:
        job = client.get(path).raise_for_status().json()
        return job if job["ended_at"] else None

    return wait_for(look, "the end of the job")


def test_a_job_is_asked_for_watched_and_its_figures_read(tmp_path: Path) -> None:
    with asking(launch(tmp_path, 'print:{"posts": 7}', "write:<p>page</p>", "exit:1")) as client:
        begun = client.post("/v1/backtests", json=BODIES["backtest"][0])
        assert (begun.status_code, begun.json()["by"]) == (202, "test")
        path = begun.headers["Location"]
        job = wait_until_ended(client, path)
        assert (job["state"], job["passed"], job["result"], job["kind"]) == ("done", False, {"posts": 7}, "backtest")
        page = client.get(job["page"])
        assert (page.text, page.headers["Content-Type"]) == ("<p>page</p>", "text/html; charset=utf-8")
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert [each["id"] for each in client.get("/v1/jobs").json()["jobs"]] == [job["id"]]
        assert "result" not in client.get("/v1/jobs").json()["jobs"][0]
        assert client.get(f"{path}/file").status_code == 404
        assert client.delete(path).json()["state"] == "done"
        assert client.get(path).status_code == 404


def test_every_kind_has_an_endpoint(tmp_path: Path) -> None:
    with asking(launch(tmp_path, "print:{}")) as client:
        for kind, body in ((kind, body) for kind, bodies in BODIES.items() for body in bodies):
            begun = client.post(PATHS[kind], json=body)
            assert (begun.status_code, begun.json().get("kind")) == (202, kind), begun.text
            assert wait_until_ended(client, begun.headers["Location"])["state"] == "done"


def test_a_file_is_taken_along(tmp_path: Path) -> None:
    with asking(launch(tmp_path, "print:{}", "write:uuid,category")) as client:
        begun = client.post("/v1/transparency-exports", json={"format": "csv"})
        job = wait_until_ended(client, begun.headers["Location"])
        file = client.get(job["file"])
        assert (file.text, file.headers["Content-Type"]) == ("uuid,category", "application/octet-stream")
        assert 'filename="statements.csv"' in file.headers["Content-Disposition"]


def test_one_that_runs_is_ended(tmp_path: Path) -> None:
    with asking(launch(tmp_path, "say:comparing", 'wait:{"posts": 3}')) as client:
        path = client.post("/v1/shadows", json=BODIES["shadow"][0]).headers["Location"]
        wait_for(lambda: client.get(path).json()["progress"] == "comparing", "the command to begin")
        assert client.get(path).json()["state"] == "running"
        assert client.delete(path).json()["state"] == "cancelled"
        assert client.get(path).json()["result"] == {"posts": 3}


def test_a_server_that_ends_takes_its_jobs_along(tmp_path: Path) -> None:
    desk = JobDesk(launch(tmp_path, "say:up", "wait"))
    with (
        serving(FakeScorer(), ApiConfig(), key_entry(scopes=JOBS), job_desk=desk) as address,
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"}) as client,
    ):
        path = client.post("/v1/drifts", json={}).headers["Location"]
        wait_for(lambda: client.get(path).json()["progress"] == "up", "the command to begin")
        (job,) = desk.jobs()
    assert (job.state, job.said.last, job.folder.parent.exists()) == ("cancelled", "cleaned up", False)


def test_more_than_may_wait_are_asked_to_come_back(tmp_path: Path) -> None:
    with asking(launch(tmp_path, "wait"), Limits(n_running=1, n_waiting=1)) as client:
        states = [client.post("/v1/drifts", json={}).json()["state"] for _ in range(2)]
        assert states == ["running", "queued"]
        refused = client.post("/v1/drifts", json={})
        assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (
            429, "too_many_jobs", "30",
        )  # fmt: skip


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    wrong = POLICY.replace("threat", "thread")
    with asking(launch(tmp_path, "print:{}")) as client:
        for path, body, detail in (
            ("/v1/backtests", {"policies": [wrong]}, "policies[0]:4: unknown label 'thread'"),
            ("/v1/backtests", {"policies": [POLICY], "policy": "/etc/passwd"}, "policy"),
            ("/v1/shadows", {"policies": [POLICY], "for": "48h"}, "24h at most"),
            ("/v1/erasures", {"author": "u-9"}, "cannot be undone"),
            ("/v1/drifts", {"last": "soon"}, "last"),
            ("/v1/backtests", {"policies": [POLICY], "posts": [LOCAL]}, "posts[0]: the address begins with none"),
            ("/v1/backtests", {"policies": [POLICY], "posts": [{"id": "p"}]}, "no text"),
        ):
            answer = client.post(path, json=body)
            assert (answer.status_code, detail in answer.json()["detail"]) == (400, True), answer.text
        assert client.get("/v1/jobs").json() == {"jobs": []}


def test_nobody_asks_or_reads_without_the_scope_of_that_kind(tmp_path: Path) -> None:
    keys = key_entry(scopes=("erase",)) | {"other": KeyEntry(hash_key("other"), ("backtest", "score"))}
    desk = JobDesk(launch(tmp_path, "print:{}"))
    with serving(FakeScorer(), ApiConfig(), keys, job_desk=desk) as address:
        mine = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"})
        theirs = httpx.Client(base_url=address, headers={"Authorization": "Bearer other"})
        path = mine.post("/v1/erasures", json={"author": "u", "confirm": True}).headers["Location"]
        assert theirs.post("/v1/erasures", json={"author": "u", "confirm": True}).status_code == 403
        for call in (theirs.get, theirs.delete):
            assert call(path).status_code == 403
        assert [theirs.get(f"{path}/{name}").status_code for name in ("page", "file")] == [403, 403]
        assert theirs.get("/v1/jobs").json() == {"jobs": []}
        assert wait_until_ended(mine, path)["state"] == "done"
        assert httpx.get(address + path).status_code == 401
    with serving(FakeScorer(), job_desk=JobDesk(launch(tmp_path, "print:{}"))) as address:
        assert httpx.post(f"{address}/v1/drifts", json={}).status_code == 403, "there are no keys"
        assert httpx.get(f"{address}/v1/jobs").status_code == 403


def test_logs_say_who_asked_and_not_who_is_erased(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with asking(launch(tmp_path, "print:{}")) as client:
        begun = client.post("/v1/erasures", json={"author": "u-gone-7731", "confirm": True})
        wait_until_ended(client, begun.headers["Location"])
    said = [record.getMessage() for record in caplog.records if record.name.startswith("sluice")]
    assert any("kind erasure" in line and "the key test" in line for line in said)
    assert not any("u-gone-7731" in record.getMessage() for record in caplog.records)


def test_a_server_without_kafka_has_no_such_endpoints() -> None:
    with serving(FakeScorer()) as address:
        assert httpx.post(f"{address}/v1/drifts", json={}).status_code == 404
