"""``sluice worker``."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Annotated

import typer

from sluice.cli.worker_log import LogFormat, log_to_standard_error
from sluice.errors import SluiceError

PROCESSES_HELP = "Workers to run, as one: one endpoint for metrics and health, and one that ends by itself ends all."


def run(
    processes: Annotated[int, typer.Option(min=1, max=256, help=PROCESSES_HELP)] = 1,
    log_format: Annotated[
        LogFormat, typer.Option(envvar="SLUICE_LOG_FORMAT", help="text for people, or a JSON object a line.")
    ] = LogFormat.text,
) -> None:
    """Run a worker until SIGTERM or Ctrl-C, on the Kafka and Triton of the environment.

    Every setting is a variable SLUICE_…; docs/settings.md lists them. SIGHUP reads the policy file again.

    Example: SLUICE_KAFKA=kafka:9092 SLUICE_TRITON=triton:8001 sluice worker --log-format json
    """
    from sluice.app import run_worker
    from sluice.fleet.processes import run_fleet
    from sluice.settings import load_settings, name_unknown

    log_to_standard_error(log_format)
    logger = logging.getLogger("sluice.worker")
    for line in name_unknown():
        logger.warning("%s", line)
    try:
        settings = load_settings(os.environ)
    except SluiceError as error:
        logger.critical("%s", error)
        raise typer.Exit(1) from error
    if processes == 1:
        run_worker(settings)
    try:
        status = asyncio.run(run_fleet(processes, settings.metrics_host, settings.metrics_port, _command(log_format)))
    except SluiceError as error:
        logger.critical("%s", error)
        status = 1
    raise typer.Exit(status)


def _command(log_format: LogFormat) -> tuple[str, ...]:
    """What runs one of several workers."""
    return (sys.executable, "-m", "sluice", "worker", "--log-format", log_format.value)
