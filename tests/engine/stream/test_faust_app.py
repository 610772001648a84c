"""How Faust is set up."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.settings import load_settings
from sluice.stream.faust_app import build_faust


@pytest.mark.parametrize("session_timeout_s", ["6", "30", "1800"])
def test_every_session_timeout_that_the_settings_take_is_one_for_faust(session_timeout_s: str, tmp_path: Path) -> None:
    environment = {"SLUICE_SESSION_TIMEOUT_S": session_timeout_s, "SLUICE_MAX_DEADLINE_MS": "5000"}
    settings = load_settings(environment)
    conf = build_faust(settings.kafka, settings.agent, tmp_path).conf
    assert conf.broker_session_timeout == float(session_timeout_s)
    assert conf.broker_session_timeout <= conf.broker_rebalance_timeout <= conf.broker_request_timeout
    assert conf.broker_heartbeat_interval < conf.broker_session_timeout / 3
