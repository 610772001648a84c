"""Dashboards ask for series that somebody serves, by name; that they have numbers is tested with real servers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from sluice.metrics import Metrics
from tests.integration.test_kafka_exporter import SERIES as KAFKA

OPS = Path(__file__).resolve().parents[2] / "ops"
DASHBOARDS = sorted(OPS.glob("grafana/dashboards/*.json"))
TRITON = {
    "nv_inference_request_success", "nv_inference_request_failure", "nv_inference_count", "nv_inference_exec_count",
    "nv_inference_queue_duration_us", "nv_inference_compute_infer_duration_us", "nv_cpu_utilization",
    "nv_cpu_memory_used_bytes", "nv_gpu_utilization", "nv_gpu_memory_used_bytes",
}  # fmt: skip
"""`docs/user_guide/metrics.md` of github.com/triton-inference-server/server."""
NAME = re.compile(r"\b(?:sluice|nv|process|kafka|alertmanager)_\w+")


def _served() -> set[str]:
    """Names of the worker's series, of its process', of Triton's and of Kafka's exporter."""
    registry = CollectorRegistry()
    Metrics(registry).add_process()
    families = [family.name for family in registry.collect()]
    endings = ("", "_total", "_bucket", "_sum", "_count", "_info")
    ours = {f"{name}{ending}" for name in families for ending in endings}
    return ours | TRITON | {f"kafka_{name}" for name in KAFKA}


def _recorded() -> set[str]:
    groups = [
        group for path in OPS.glob("prometheus/rules/*.yml") for group in yaml.safe_load(path.read_text())["groups"]
    ]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_series_of_a_panel_is_served(path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    for target in (target for panel in panels for target in panel.get("targets", [])):
        recorded = set(re.findall(r"\w+:\w+:\w+", target["expr"]))
        asked = set(NAME.findall(re.sub(r"\w+:\w+:\w+", "", target["expr"])))
        assert recorded or asked or target["expr"].startswith("sum(up")
        assert recorded <= _recorded()
        assert asked <= _served()


def test_the_process_has_the_series_that_are_asked_for() -> None:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    names = {sample.name for family in registry.collect() for sample in family.samples}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"} <= names
