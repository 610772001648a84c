"""``sluice worker``."""

from __future__ import annotations

import os

import typer


def run() -> None:
    """Run one worker until SIGTERM or Ctrl-C, on the Kafka and Triton of the environment.

    Every setting is a variable SLUICE_…; the README lists them.

    Example: SLUICE_KAFKA=kafka:9092 SLUICE_TRITON=triton:8001 sluice worker
    """
    from engine.app import run_worker
    from engine.settings import load_settings

    raise typer.Exit(run_worker(load_settings(os.environ)))
