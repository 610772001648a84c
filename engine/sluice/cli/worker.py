"""``sluice worker``."""

from __future__ import annotations

import os


def run() -> None:
    """Run one worker until SIGTERM or Ctrl-C, on the Kafka and Triton of the environment.

    Every setting is a variable SLUICE_…; the README lists them.

    Example: SLUICE_KAFKA=kafka:9092 SLUICE_TRITON=triton:8001 sluice worker
    """
    from sluice.app import run_worker
    from sluice.cli.worker_log import log_to_standard_error
    from sluice.settings import load_settings

    log_to_standard_error()
    run_worker(load_settings(os.environ))
