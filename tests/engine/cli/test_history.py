"""``sluice history``: what is wrong with a question is said before Kafka is asked."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from sluice.cli import app


@pytest.mark.parametrize(("at", "says"), [("yesterday", "RFC 3339"), ("2026-11-29T05:00:00", "no time zone")])
def test_a_moment_has_a_time_zone(at: str, says: str) -> None:
    done = CliRunner().invoke(app, ["history", "show", "--author", "u-1", "--at", at], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert says in done.stderr
