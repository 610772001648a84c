"""A stuck head and a kill: what is published, in which order the worker is treated, and what counts as lost."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import ClassVar

import pytest

from sluice.chaos import scenario
from sluice.chaos.audit import Auditor
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


class NotingAuditor(Auditor):
    """Notes how long it was ready to wait."""

    patience_s: ClassVar[list[float]] = []

    def wait_for(self, post_ids: list[str], timeout_s: float) -> bool:
        self.patience_s.append(timeout_s)
        return super().wait_for(post_ids, timeout_s)


def test_a_loss_is_certain_once_kafka_holds_nothing_more_to_read(
    kafka: KafkaConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenario, "Auditor", NotingAuditor)
    monkeypatch.setattr(scenario, "IN_FLIGHT_S", 0.123)
    monkeypatch.setattr(NotingAuditor, "patience_s", [])
    assert run_scenario(STAGE, "unordered", StandInWorker(kafka, forgets=True), must_lose=True).n_lost == N_HEADS
    assert NotingAuditor.patience_s[-1] == 0.123


class LateWorker(StandInWorker):
    """Acknowledges first, and answers what it holds when everything is acknowledged: nothing is lost."""

    def __init__(self, kafka: KafkaConfig) -> None:
        super().__init__(kafka, forgets=True)
        self.answer_now = threading.Event()

    def kill_worker(self) -> None:
        self.calls.append("kill")

    def start_worker(self, timeout_s: float) -> None:
        self._late = threading.Thread(target=self._answer_late, args=(timeout_s,))
        self._late.start()

    def _answer_late(self, timeout_s: float) -> None:
        assert self.answer_now.wait(30)
        super().start_worker(timeout_s)

    def stop(self) -> None:
        self._late.join()
        super().stop()


def test_what_is_acknowledged_and_still_being_scored_is_not_lost(
    kafka: KafkaConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, is_acknowledged = LateWorker(kafka), scenario._all_acknowledged

    def tell(*arguments) -> bool:
        if found := is_acknowledged(*arguments):
            worker.answer_now.set()
        return found

    monkeypatch.setattr(scenario, "_all_acknowledged", tell)
    assert run_scenario(STAGE, "commit-first", worker, must_lose=True).n_lost == 0


def test_a_worker_that_does_nothing_is_no_result(kafka: KafkaConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario, "SETTLE_S", 0.2)
    with pytest.raises(StackError, match="idle: posts behind the stuck heads had no outcome"):
        run_scenario(STAGE, "idle", StandInWorker(kafka, skips="idle-0"), must_lose=False)
