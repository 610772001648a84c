"""``sluice worker``."""

from __future__ import annotations

import logging
import os


def run() -> None:
    """Run one worker until SIGTERM or Ctrl-C, on the Kafka and Triton of the environment.

    Every setting is a variable SLUICE_…; the README lists them.

    Example: SLUICE_KAFKA=kafka:9092 SLUICE_TRITON=triton:8001 sluice worker
    """
    from sluice.app import run_worker
    from sluice.settings import load_settings

    _log_to_standard_error()
    run_worker(load_settings(os.environ))


def _log_to_standard_error() -> None:
    """Our own lines with time and level; of the libraries below only what goes wrong, since they say much of little."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("sluice").setLevel(logging.INFO)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    logging.getLogger("asyncio").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what Faust's unread copy of a failed send says again, with a traceback."""
    return "FutureMessage" not in record.getMessage()
