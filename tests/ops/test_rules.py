"""Prometheus' own checks of its configuration and rules, and a check that no alert is left unproven."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PROMETHEUS = Path(__file__).resolve().parents[2] / "ops" / "prometheus"
RULES = sorted(PROMETHEUS.glob("rules/*.yml"))
RULE_TESTS = sorted(PROMETHEUS.glob("tests/*_test.yml"))

pytestmark = pytest.mark.prometheus


def _run(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


def test_configuration_is_valid(promtool: str) -> None:
    _run(promtool, "check", "config", str(PROMETHEUS / "prometheus.yml"))


def test_rules_are_valid(promtool: str) -> None:
    _run(promtool, "check", "rules", "--lint-fatal", *map(str, RULES))


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(promtool: str, path: Path) -> None:
    _run(promtool, "test", "rules", str(path))


def _alerts() -> list[str]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]


def _checks() -> Iterator[dict[str, Any]]:
    for path in RULE_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            yield from test["promql_expr_test"]


def _fired(check: dict[str, Any]) -> set[str]:
    samples = check["exp_samples"]
    return {name for sample in samples for name in re.findall(r'alertname="(\w+)"', sample["labels"])}


@pytest.mark.parametrize("alert", _alerts())
def test_each_alert_is_proven_to_fire_and_not_to_fire(alert: str) -> None:
    whole = 'ALERTS{alertstate="firing"}'  # a check of all alerts: a name it does not list did not fire
    assert any(alert in _fired(check) for check in _checks())
    assert any(whole in check["expr"] and alert not in _fired(check) for check in _checks())


def test_every_test_names_every_group_in_order() -> None:
    groups = {group["name"] for path in RULES for group in yaml.safe_load(path.read_text())["groups"]}
    for path in RULE_TESTS:
        assert set(yaml.safe_load(path.read_text())["group_eval_order"]) == groups, path.name
