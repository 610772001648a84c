"""Who is told of what, by Alertmanager's own tool: the configuration that start.sh writes, and where alerts go."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerting import render

RULES = sorted((Path(__file__).resolve().parents[2] / "ops" / "prometheus" / "rules").glob("*.yml"))
WEBHOOKS = {"ALERT_PAGE_URL": "http://127.0.0.1:1/page", "ALERT_TICKET_URL": "http://127.0.0.1:1/ticket"}
MAIL = {"ALERT_MAIL_TO": "moderation@example.org", "ALERT_MAIL_FROM": "sluice@example.org", "ALERT_SMTP": "mail:587"}
LOGIN = {"ALERT_SMTP_USER": "sluice", "ALERT_SMTP_PASSWORD": r"it's & |a\ ${ALERT_SMTP_USER}'"}
Write = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.prometheus


@pytest.fixture
def write(tmp_path: Path, amtool: str) -> Write:
    """Write the configuration for an environment, have Alertmanager's tool check it, and read it."""

    def write_and_check(environment: dict[str, str]) -> dict[str, Any]:
        path = tmp_path / "alertmanager.yml"
        done = render(path, environment, amtool, "check-config", str(path))
        assert done.returncode == 0, done.stderr
        config: dict[str, Any] = yaml.safe_load(path.read_text())
        return config

    return write_and_check


def _receivers(config: dict[str, Any]) -> dict[str, list[str]]:
    return {receiver.pop("name"): sorted(receiver) for receiver in config["receivers"]}


@pytest.mark.parametrize(
    ("environment", "means"),
    [
        ({}, []),
        (WEBHOOKS, ["webhook_configs"]),
        (MAIL, ["email_configs"]),
        ({**WEBHOOKS, **MAIL, **LOGIN}, ["email_configs", "webhook_configs"]),
    ],
)
def test_receivers_have_what_the_environment_names(write: Write, environment: dict[str, str], means: list[str]) -> None:
    assert _receivers(write(environment)) == {"pages": means, "tickets": means}


def test_values_are_taken_as_they_are(write: Write) -> None:
    settings = write({**MAIL, **LOGIN})["global"]
    assert (settings["smtp_smarthost"], settings["smtp_from"]) == ("mail:587", MAIL["ALERT_MAIL_FROM"])
    assert settings["smtp_require_tls"] is True
    assert settings["smtp_auth_password"].startswith(r"it's & |a\ ")


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"ALERT_MAIL_TO": "moderation@example.org"}, "ALERT_SMTP"),
        ({"ALERT_PAGE_URL": "http://one\nhttp://two"}, "ALERT_PAGE_URL"),
        ({"ALERT_SMTP_TLS": "perhaps"}, "ALERT_SMTP_TLS"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, environment: dict[str, str], named: str) -> None:
    done = render(tmp_path / "alertmanager.yml", environment)
    assert done.returncode == 1
    assert named in done.stderr


def test_a_pager_without_an_address_is_said(tmp_path: Path) -> None:
    assert "nobody is paged" in render(tmp_path / "alertmanager.yml", {}).stderr
    assert "nobody is paged" not in render(tmp_path / "alertmanager.yml", WEBHOOKS).stderr


def test_only_its_owner_reads_a_password(tmp_path: Path) -> None:
    render(tmp_path / "alertmanager.yml", {**MAIL, **LOGIN})
    assert (tmp_path / "alertmanager.yml").stat().st_mode & 0o077 == 0


def _alerts() -> Iterator[Any]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from (pytest.param(rule, id=rule["alert"]) for rule in group["rules"] if "alert" in rule)


@pytest.mark.parametrize("rule", list(_alerts()))
def test_each_alert_goes_to_its_receiver(write: Write, amtool: str, tmp_path: Path, rule: dict[str, Any]) -> None:
    write(WEBHOOKS)
    receiver = {"page": "pages", "ticket": "tickets"}[rule["labels"]["severity"]]
    labels = [f"{name}={value}" for name, value in {"alertname": rule["alert"], **rule["labels"]}.items()]
    command = [amtool, "config", "routes", "test", f"--config.file={tmp_path / 'alertmanager.yml'}"]
    done = subprocess.run([*command, f"--verify.receivers={receiver}", *labels], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_silences_another_alert_is_an_alert(write: Write) -> None:
    names = {param.values[0]["alert"] for param in _alerts()}
    for rule in write(WEBHOOKS)["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            pattern = re.fullmatch(r'alertname=~?"(.+)"', matcher)
            assert pattern is not None
            assert any(re.fullmatch(pattern[1], name) for name in names), matcher
