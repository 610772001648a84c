"""A real Prometheus scrapes a worker's metrics and evaluates everything the dashboard, the rules and the alerts ask."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import math
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.cli.samples import draw_house, make_samples
from sluice.client import Outcomes, Publisher, WindowedPublisher
from sluice.config import KafkaConfig
from sluice.local.processes import LOOPBACK, ChildProcess, answers_http, find_free_ports
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from tests.components import wait_for

OPS = Path(__file__).resolve().parents[2] / "ops"
RULES = sorted(OPS.glob("prometheus/rules/*.yml"))
DASHBOARDS = [OPS / "grafana" / "dashboards" / f"sluice-{name}.json" for name in ("latency", "operations")]
"""Of workers and Triton; `test_kafka_exporter` has the one of Kafka."""
PATIENCE_S = 60.0
"""Bounds a wait for Prometheus' next scrape or evaluation, both every second here."""


pytestmark = [pytest.mark.integration, pytest.mark.prometheus]


def _load_picture() -> Any:
    """Import ops/dashboard_picture.py, which is a script outside every package."""
    spec = importlib.util.spec_from_file_location("dashboard_picture", OPS / "dashboard_picture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


picture = _load_picture()


def _rules(kind: str) -> list[dict[str, Any]]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def _panel_expressions() -> list[Any]:
    panels = [panel for dashboard in DASHBOARDS for panel in picture.read_panels(dashboard)]
    queries = [(panel.title, query.expression) for panel in panels for query in panel.queries]
    return [
        pytest.param(expression, id=f"{title}-{n}")
        for n, (title, expression) in enumerate(queries)
        if not expression.startswith("nv_gpu_")  # Triton has these only where a GPU is
    ]


@pytest.fixture(scope="module")
def triton_metrics() -> str:
    """Where Triton's own metrics are to be."""
    return f"{LOOPBACK}:{find_free_ports(1)[0]}"


@pytest.fixture(scope="module")
def triton(triton_files: None, triton_metrics: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A Triton that has metrics of its own, as those of the compose file have."""
    host, _, port = triton_metrics.partition(":")
    options = ["--allow-metrics=true", f"--metrics-address={host}", f"--metrics-port={port}"]
    with TritonServer(triton_repository(), tmp_path_factory.mktemp("triton"), options=options) as server:
        server.wait_until_ready(240.0)
        yield server


@pytest.fixture(scope="module")
def stack(triton: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A broker and a worker that scores the demo's posts, again and again."""
    config = StackConfig(
        tmp_path_factory.mktemp("stack"), triton_repository(), triton=triton.address, start_timeout_s=240.0,
        worker_environment=_watch_something(tmp_path_factory.mktemp("known")),
    )  # fmt: skip
    with Stack(config) as stack:
        stop = threading.Event()
        traffic = threading.Thread(target=_publish_until, args=(stop, stack.kafka), daemon=True)
        traffic.start()
        yield stack
        stop.set()
        traffic.join()


def _watch_something(folder: Path) -> dict[str, str]:
    """Settings of a worker with a list and a bank that the demo's posts are in, and a history."""
    words, banks = folder / "greetings.jsonl", folder / "houses.csv"
    words.write_text('{"kind": "word", "value": "morning"}\n')
    picture = base64.b64decode(draw_house().partition(",")[2])
    banks.write_text(f"kind,value,id,owner,note\nsha256,{hashlib.sha256(picture).hexdigest()},,,\n")
    return {"SLUICE_LISTS": str(words), "SLUICE_HASHES": str(banks), "SLUICE_HISTORY_KEY": "secret"}


def _publish_until(stop: threading.Event, kafka: KafkaConfig) -> None:
    """Texts, pictures and clips, a broken picture, and lines that are no post: every series has something to count."""
    lines = [sample.line for sample in make_samples()]
    with Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:
        window = WindowedPublisher(publisher, outcomes)
        while not stop.wait(0.5):
            assert all(settled.outcome for settled in window.exchange(lines))


class Prometheus:
    """A running server and what it answers."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[float]:
        return [float(sample["value"][1]) for sample in self.get("/api/v1/query", query=expression)["result"]]

    def wait_for(self, expression: str) -> list[float]:
        """Return the first answer with a number in it: a rate needs two scrapes, a rule one evaluation."""
        return wait_for(lambda: [value for value in self.query(expression) if math.isfinite(value)], expression)


def _write_config(folder: Path, targets: dict[str, str]) -> Path:
    """Our rules over what is there, by job; everything every second."""
    content = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in RULES],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()
        ],
    }
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def prometheus(
    stack: Stack, triton_metrics: str, prometheus_binary: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    address = f"{LOOPBACK}:{find_free_ports(1)[0]}"
    targets = {"sluice-worker": stack.addresses.metrics.removeprefix("http://"), "triton": triton_metrics}
    command = [
        prometheus_binary,
        f"--config.file={_write_config(folder, targets)}",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address={address}",
    ]
    with ChildProcess("Prometheus", command, folder / "prometheus.log", address) as process:
        process.wait_until_ready(lambda: answers_http(f"http://{address}/-/ready"), PATIENCE_S)
        yield Prometheus(f"http://{address}")


def test_the_worker_is_scraped(prometheus: Prometheus) -> None:
    prometheus.wait_for('up{job="sluice-worker"} == 1')


@pytest.mark.parametrize("expression", _panel_expressions())
def test_each_panel_has_numbers(prometheus: Prometheus, expression: str) -> None:
    prometheus.wait_for(expression)


@pytest.mark.parametrize("rule", _rules("record"), ids=lambda rule: rule["record"])
def test_each_recording_rule_records_numbers(prometheus: Prometheus, rule: dict[str, Any]) -> None:
    prometheus.wait_for(rule["record"])


@pytest.mark.parametrize("rule", _rules("alert"), ids=lambda rule: rule["alert"])
def test_each_alert_can_be_evaluated(prometheus: Prometheus, rule: dict[str, Any]) -> None:
    prometheus.query(rule["expr"])  # raises on an error; that it fires when it should is proven by promtool


def test_no_rule_fails(prometheus: Prometheus) -> None:
    groups = wait_for(lambda: _evaluated(prometheus), "every rule evaluated")
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}


def _evaluated(prometheus: Prometheus) -> list[dict[str, Any]]:
    """Groups of rules, or none while a rule was never evaluated."""
    groups = prometheus.get("/api/v1/rules")["groups"]
    return [] if any(rule["health"] == "unknown" for group in groups for rule in group["rules"]) else groups


def test_the_picture_draws_every_panel(prometheus: Prometheus, tmp_path: Path) -> None:
    out = tmp_path / "dashboard.png"
    command = [sys.executable, str(OPS / "dashboard_picture.py"), "--prometheus", prometheus.url, "--out", str(out)]
    result = subprocess.run([*command, "--minutes", "1"], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert out.read_bytes().startswith(b"\x89PNG")


def test_the_picture_names_a_server_that_is_away(tmp_path: Path) -> None:
    url = f"http://{LOOPBACK}:{find_free_ports(1)[0]}"
    with pytest.raises(picture.PrometheusError, match=url):
        picture.fetch_series(url, picture.Query("up", "up"), picture.Range(0, 60, 1))
