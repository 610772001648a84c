"""A policy that is read again while posts are scored."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from sluice.errors import PolicyError
from sluice.metrics import Metrics
from sluice.verdict.policy_file import PolicyFile
from sluice.verdict.policy_set import PolicySet


class Worker:
    """A policy file, and whoever decides by it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mine.yaml"
        self.write(1)
        self.metrics = Metrics(CollectorRegistry())
        self.file = PolicyFile(self.path, self.metrics)
        self.used: list[PolicySet] = []
        self.file.used_by(self.used.append)

    def write(self, version: object) -> None:
        self.path.write_text(f"name: mine\nversion: {version}\nlabels: {{}}\n")

    def count(self, series: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(series, labels)


@pytest.fixture
def worker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Worker:
    caplog.set_level(logging.INFO)
    return Worker(tmp_path)


def test_a_new_version_is_used_logged_and_counted(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    worker.write(2)
    worker.file.reload()
    assert [used.default.ref.version for used in worker.used] == [2] == [worker.file.current.default.ref.version]
    assert f"policy mine version 2, from {worker.path}" in caplog.messages
    assert worker.count("sluice_policy_info", name="mine", version="2") == 1
    assert worker.count("sluice_policy_info", name="mine", version="1") is None
    assert worker.count("sluice_policy_reloads_total", result="taken") == 1


def test_a_wrong_one_is_named_and_the_former_stays(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    worker.write("two")
    worker.file.reload()
    assert (worker.used, worker.file.current.default.ref.version) == ([], 1)
    assert any(f"the policy stays mine version 1: {worker.path}:2" in line for line in caplog.messages)
    assert worker.count("sluice_policy_reloads_total", result="refused") == 1
    assert worker.count("sluice_policy_info", name="mine", version="1") == 1


def test_a_wrong_one_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="none.yaml"):
        PolicyFile(tmp_path / "none.yaml", Metrics(CollectorRegistry()))
