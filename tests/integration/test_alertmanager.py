"""A real Prometheus and a real Alertmanager, as ops/ configures them: an alert reaches the one that it should."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.local.processes import LOOPBACK, ChildProcess, answers_http, find_free_ports
from tests.alerting import Told, mail_server, render, webhook_receiver

RULES = sorted((Path(__file__).resolve().parents[2] / "ops" / "prometheus" / "rules").glob("*.yml"))
PATIENCE_S = 60.0

pytestmark = [pytest.mark.integration, pytest.mark.prometheus]


class Alertmanager:
    """A running Alertmanager, and what its receivers were told."""

    def __init__(self, address: str, webhooks: Told, mails: Told) -> None:
        self.address, self.webhooks, self.mails = address, webhooks, mails

    def fire(self, *alerts: dict[str, str]) -> None:
        """Send alerts with these labels, as Prometheus does."""
        body = json.dumps([{"labels": labels, "annotations": {"summary": "a test"}} for labels in alerts]).encode()
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(
            urllib.request.Request(f"http://{self.address}/api/v2/alerts", body, headers), timeout=10
        ).close()

    def states(self) -> dict[str, str]:
        """Whether each alert is active or suppressed, by its name."""
        with urllib.request.urlopen(f"http://{self.address}/api/v2/alerts", timeout=10) as answer:
            return {alert["labels"]["alertname"]: alert["status"]["state"] for alert in json.load(answer)}


@pytest.fixture
def alertmanager(alertmanager_binary: str, tmp_path: Path) -> Iterator[Alertmanager]:
    with ExitStack() as cleanup:
        url, webhooks = cleanup.enter_context(webhook_receiver())
        smtp, mails = cleanup.enter_context(mail_server())
        environment = {
            "ALERT_PAGE_URL": f"{url}/page", "ALERT_TICKET_URL": f"{url}/ticket", "ALERT_SMTP": smtp,
            "ALERT_SMTP_TLS": "false", "ALERT_MAIL_TO": "you@example.org", "ALERT_MAIL_FROM": "sluice@example.org",
        }  # fmt: skip
        config = tmp_path / "alertmanager.yml"
        assert render(config, environment).returncode == 0
        address = f"{LOOPBACK}:{find_free_ports(1)[0]}"
        command = [alertmanager_binary, f"--config.file={config}", f"--storage.path={tmp_path / 'alerts'}",
                   f"--web.listen-address={address}", "--cluster.listen-address="]  # fmt: skip
        process = cleanup.enter_context(ChildProcess("Alertmanager", command, tmp_path / "alertmanager.log", address))
        process.wait_until_ready(lambda: answers_http(f"http://{address}/-/ready"), PATIENCE_S)
        yield Alertmanager(address, webhooks, mails)


def _fired(message: tuple[str, dict[str, Any]]) -> tuple[str, set[str]]:
    path, body = message
    return path, {alert["labels"]["alertname"] for alert in body["alerts"]}


def test_a_page_is_delivered_by_webhook_and_by_mail(alertmanager: Alertmanager) -> None:
    alertmanager.fire({"alertname": "SluiceTritonDown", "severity": "page", "instance": "worker-1"})
    assert [_fired(message) for message in alertmanager.webhooks.wait_for(1)] == [("/page", {"SluiceTritonDown"})]
    (mail,) = alertmanager.mails.wait_for(1)
    assert "Subject: PAGE: SluiceTritonDown (firing)" in mail.replace("=?UTF-8?q?", "").replace("_", " ")


def test_what_explains_an_alert_silences_it(alertmanager: Alertmanager) -> None:
    alertmanager.fire(
        {"alertname": "SluiceLatencyBurnFast", "severity": "page", "slo": "latency"},
        {"alertname": "SluiceLatencyBurnMedium", "severity": "page", "slo": "latency"},
        {"alertname": "SluiceScoredBurnMedium", "severity": "page", "slo": "scored"},
    )
    told = [_fired(message)[1] for message in alertmanager.webhooks.wait_for(2)]
    assert sorted(told, key=min) == [{"SluiceLatencyBurnFast"}, {"SluiceScoredBurnMedium"}]
    assert alertmanager.states()["SluiceLatencyBurnMedium"] == "suppressed"


def test_prometheus_tells_of_a_worker_that_is_away(
    alertmanager: Alertmanager, prometheus_binary: str, tmp_path: Path
) -> None:
    address = f"{LOOPBACK}:{find_free_ports(1)[0]}"
    config = _write_config(tmp_path, alertmanager.address)
    command = [prometheus_binary, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'series'}",
               f"--web.listen-address={address}"]  # fmt: skip
    with ChildProcess("Prometheus", command, tmp_path / "prometheus.log", address):
        path, fired = _fired(alertmanager.webhooks.wait_for(1)[0])
    assert path == "/page"
    assert "SluiceWorkerDown" in fired


def _write_config(folder: Path, alertmanager: str) -> Path:
    """Our rules without their patience, over a worker that is not there."""
    rules = []
    for path in RULES:
        content = yaml.safe_load(path.read_text())
        for rule in (rule for group in content["groups"] for rule in group["rules"]):
            rule.pop("for", None)
        rules.append(folder / path.name)
        rules[-1].write_text(yaml.safe_dump(content))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in rules],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "sluice-worker", "static_configs": [{"targets": [f"{LOOPBACK}:1"]}]}],
    }
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path
