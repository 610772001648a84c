"""The real components that tests need: without one a test is skipped with the reason, and in CI it fails."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from typing import TypeVar

import pytest
import tenacity

from sluice.errors import StackError
from sluice.local.kafka import fetch_jars
from sluice.resources import kafka_pom

INSTALL = {
    "amtool": "apt-get install prometheus-alertmanager",
    "chromium": "apt-get install chromium",
    "curl": "apt-get install curl",
    "espeak-ng": "apt-get install espeak-ng",
    "kubectl": "see kubernetes.io/docs/tasks/tools",
    "java": "apt-get install default-jre-headless",
    "node": "apt-get install nodejs",
    "npm": "apt-get install npm",
    "mvn": "apt-get install maven",
    "prometheus": "apt-get install prometheus",
    "prometheus-alertmanager": "apt-get install prometheus-alertmanager",
    "promtool": "apt-get install prometheus",
}


def require(tool: str) -> str:
    """Return the path of a program; without it the test is skipped with the reason, and in CI it fails."""
    found = shutil.which(tool)
    return found or give_up(f"{tool} is not installed: {INSTALL.get(tool, 'see the README')}")


def require_module(module: str) -> None:
    """A module of an extra, or no test."""
    if importlib.util.find_spec(module) is None:
        give_up(f"{module} is not installed: pip install --editable '.[speech]'")


def give_up(reason: str) -> str:
    """In CI nothing may be missing: there this is a failure, elsewhere a skip."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def require_kafka() -> None:
    """Java, Maven and the jars, or no test."""
    for tool in ("java", "mvn"):
        require(tool)
    try:
        fetch_jars(kafka_pom())
    except StackError as error:
        give_up(str(error))


T = TypeVar("T")


def wait_for(ask: Callable[[], T], what: str, patience_s: float = 60.0) -> T:
    """Ask a real server until it answers with something; fails the test after `patience_s` seconds."""
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda answer: not answer),
        wait=tenacity.wait_fixed(0.2),
        stop=tenacity.stop_after_delay(patience_s),
        retry_error_callback=lambda _: pytest.fail(f"not within {patience_s:.0f} s: {what}"),
    )
    return attempts(ask)
