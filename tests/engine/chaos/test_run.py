"""A whole chaos run over a stand-in for the stage: what is published, broken, counted and said."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from sluice.chaos import run, scenario
from sluice.chaos.report import ChaosReport
from sluice.chaos.run import ChaosConfig, run_chaos
from sluice.chaos.stage import CONTROLS
from sluice.config import KafkaConfig
from tests.engine.chaos.stand_ins import ImpatientAuditor, StandInStage, deal_hiccups


class Clock:
    """Time that only goes by while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep))
    monkeypatch.setattr(run, "Stage", StandInStage)
    monkeypatch.setattr(run, "draw_faults", deal_hiccups)
    monkeypatch.setattr(scenario, "Auditor", ImpatientAuditor)
    monkeypatch.setattr(scenario, "N_POSTS", 60)


def run_seed_5(kafka: KafkaConfig, folder: Path, said: list[str]) -> ChaosReport:
    return run_chaos(ChaosConfig(0.08, seed=5, rate_per_s=2_000.0, n_workers=1, kafka=kafka), folder, said.append)


def test_what_was_published_is_counted_and_the_controls_lose(kafka: KafkaConfig, tmp_path: Path) -> None:
    said: list[str] = []
    report = run_seed_5(kafka, tmp_path, said)
    assert (report.n_lost, report.n_duplicates, report.n_different, report.n_late) == (0, 0, 0, 0)
    assert report.n_dead_letters >= 1
    assert report.n_unexpected_dead_letters == 0
    assert len(report.faults) == 2
    assert all(fault.kind == "hiccup" and fault.lasted_s == pytest.approx(1.0) for fault in report.faults)
    assert all(fault.recovery_s == 0.0 for fault in report.faults)
    assert [(each.worker, each.must_lose) for each in report.scenarios] == [
        ("ordered", False),
        *((kind, True) for kind in CONTROLS),
    ]
    assert all(each.is_as_expected for each in report.scenarios)
    assert report.peak_memory_mb == {"worker": 300.0}
    assert [line for line in said if "hiccup" in line and "recovered in 0.0 s" in line] == said[1:3]


def test_a_post_without_an_outcome_is_lost_and_nothing_recovers(
    kafka: KafkaConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "RECOVERY_TIMEOUT_S", 0.3)
    monkeypatch.setattr(run, "CONTROLS", ())
    monkeypatch.setattr(StandInStage, "skips", "chaos-5-7")
    said: list[str] = []
    report = run_seed_5(kafka, tmp_path, said)
    assert report.n_lost >= 1
    assert all(fault.recovery_s is None for fault in report.faults)
    assert said[1].endswith("no recovery")
