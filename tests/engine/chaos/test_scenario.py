"""A stuck head and a kill: what is published, in which order the worker is treated, and what counts as lost."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sluice.chaos import scenario
from sluice.chaos.report import ScenarioRecord
from sluice.chaos.scenario import N_HEADS, run_scenario
from sluice.config import KafkaConfig
from sluice.errors import StackError
from tests.engine.chaos.stand_ins import SILENT_URL, ImpatientAuditor, StandInWorker

STAGE = SimpleNamespace(silence=SimpleNamespace(url=SILENT_URL))
N_POSTS = 60


@pytest.fixture(autouse=True)
def _fewer_posts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario, "N_POSTS", N_POSTS)


def test_a_worker_that_waits_for_its_heads_loses_nothing(kafka: KafkaConfig) -> None:
    worker = StandInWorker(kafka)
    assert run_scenario(STAGE, "ordered", worker, must_lose=False) == ScenarioRecord(
        "ordered", False, N_HEADS + N_POSTS, 0
    )
    assert worker.calls == ["kill", "start"]


def test_a_worker_that_acknowledged_its_heads_loses_them(kafka: KafkaConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario, "Auditor", ImpatientAuditor)
    worker = StandInWorker(kafka, forgets=True)
    record = run_scenario(STAGE, "unordered", worker, must_lose=True)
    assert record == ScenarioRecord("unordered", True, N_HEADS + N_POSTS, N_HEADS)
    assert worker.calls[-2:] == ["kill", "start"]


def test_a_worker_that_does_nothing_is_no_result(kafka: KafkaConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario, "SETTLE_S", 0.2)
    with pytest.raises(StackError, match="idle: posts behind the stuck heads had no outcome"):
        run_scenario(STAGE, "idle", StandInWorker(kafka, skips="idle-0"), must_lose=False)
