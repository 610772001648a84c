"""Our own commands as jobs, on an embedded broker."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sluice.cli import app
from sluice.config import KafkaConfig
from sluice.jobs.commands import open_job_desk
from sluice.jobs.order import RESULT
from sluice.jobs.requests import Places
from tests.engine.audit.verdicts import make_verdict, publish
from tests.engine.jobs.scripted import until
from tests.engine.jobs.test_requests import POLICY, order_of


async def test_figures_are_the_commands(kafka: KafkaConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(kafka, *(make_verdict(f"p-{n}") for n in range(3)))
    (tmp_path / "new.yaml").write_text(POLICY)
    desk = open_job_desk(kafka, {**os.environ, "SLUICE_KAFKA": "nowhere:1", "SLUICE_KAFKA_EMBEDDED": "1"})
    order = order_of("backtest", {"policies": [POLICY], "guards": ["changed=0%"]}, Places())
    job = desk.submit(order, "ann")
    await until(lambda: job.has_ended, 60.0)
    monkeypatch.setenv("SLUICE_KAFKA_EMBEDDED", "1")
    arguments = ["--policy", str(tmp_path / "new.yaml"), "--guard", "changed=0%", "--json", "--kafka", kafka.bootstrap]
    told = CliRunner().invoke(app, ["backtest", *arguments])
    result, page = job.path(RESULT), job.path("page.html")
    assert result is not None, job.error
    assert json.loads(result.read_text()) == json.loads(told.stdout)
    assert (job.state, job.exit_code, job.said.last) == ("done", told.exit_code, "the page: page.html")
    assert page is not None
    await desk.close()
