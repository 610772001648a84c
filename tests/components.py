"""The real components that tests need: without one a test is skipped with the reason, and in CI it fails."""

from __future__ import annotations

import os
import shutil

import pytest

from engine.errors import StackError
from engine.local.kafka import POM, fetch_jars

INSTALL = {
    "java": "apt-get install default-jre-headless",
    "mvn": "apt-get install maven",
    "prometheus": "apt-get install prometheus",
    "promtool": "apt-get install prometheus",
}


def require(tool: str) -> str:
    """Return the path of a program; without it the test is skipped with the reason, and in CI it fails."""
    found = shutil.which(tool)
    return found or give_up(f"{tool} is not installed: {INSTALL.get(tool, 'see the README')}")


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
        fetch_jars(POM)
    except StackError as error:
        give_up(str(error))
