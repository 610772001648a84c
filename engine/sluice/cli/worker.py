"""``sluice worker``."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.worker_log import LogFormat, log_to_standard_error
from sluice.errors import SettingsError, SluiceError

if TYPE_CHECKING:
    from sluice.settings import Settings

PROCESSES_HELP = "Workers to run, as one: one endpoint for metrics and health, and one that ends by itself ends all."

HIGH_HELP = "Workers beside those, for SLUICE_TOPIC_POSTS_HIGH alone: a flood of other posts does not hold them up."


def run(
    processes: Annotated[int, typer.Option(min=1, max=256, help=PROCESSES_HELP)] = 1,
    high: Annotated[int, typer.Option(min=0, max=256, help=HIGH_HELP)] = 0,
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
    if processes == 1 and not high:
        run_worker(settings)
    try:
        plain: list[dict[str, str]] = [{}] * processes
        workers = plain + ([_environment_of_high(settings)] * high if high else [])
        status = asyncio.run(run_fleet(workers, settings.metrics_host, settings.metrics_port, _command(log_format)))
    except SluiceError as error:
        logger.critical("%s", error)
        status = 1
    raise typer.Exit(status)


def _environment_of_high(settings: Settings) -> dict[str, str]:
    """Of a worker that reads the posts that come first: a group of its own, so that no rebalance of others stops it.

    Raises
    ------
    SettingsError
        The others read these posts too: each would have two verdicts.
    """
    if settings.kafka.topics.posts_high == settings.kafka.topics.posts:
        raise SettingsError(
            "--high: SLUICE_TOPIC_POSTS and SLUICE_TOPIC_POSTS_HIGH name one topic; each post would be judged twice"
        )
    return {
        "SLUICE_TOPIC_POSTS": settings.kafka.topics.posts_high,
        "SLUICE_GROUP": f"{settings.agent.group}-high",
        "SLUICE_TRITON": settings.inference.triton_high or settings.inference.triton,
    }


def _command(log_format: LogFormat) -> tuple[str, ...]:
    """What runs one of several workers."""
    return (sys.executable, "-m", "sluice", "worker", "--log-format", log_format.value)
