"""``sluice worker``."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from sluice.cli.worker_log import LogFormat, log_to_standard_error
from sluice.errors import SluiceError


def run(
    log_format: Annotated[
        LogFormat, typer.Option(envvar="SLUICE_LOG_FORMAT", help="text for people, or a JSON object a line.")
    ] = LogFormat.text,
) -> None:
    """Run one worker until SIGTERM or Ctrl-C, on the Kafka and Triton of the environment.

    Every setting is a variable SLUICE_…; docs/settings.md lists them. SIGHUP reads the policy file again.

    Example: SLUICE_KAFKA=kafka:9092 SLUICE_TRITON=triton:8001 sluice worker --log-format json
    """
    from sluice.app import run_worker
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
    run_worker(settings)
