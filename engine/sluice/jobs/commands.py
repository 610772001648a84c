"""Our own commands as jobs, with the server's settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from sluice.config import KafkaConfig
from sluice.jobs.desk import JobDesk
from sluice.jobs.running import Launcher
from sluice.local.processes import python_path

COMMAND = (sys.executable, "-P", "-m", "sluice")
MAX_FILE_BYTES = 256 * 2**20
STOP_S = 20.0


def open_job_desk(kafka: KafkaConfig, environ: Mapping[str, str] = os.environ) -> JobDesk:
    """Jobs that find Kafka where the server does: its settings are their settings, secrets among them."""
    environment = {**environ, **python_path(), "SLUICE_KAFKA": kafka.bootstrap, "NO_COLOR": "1"}
    return JobDesk(Launcher(COMMAND, environment, MAX_FILE_BYTES, STOP_S))
