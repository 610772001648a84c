"""The worker's log on standard error: an outage is reported, and does not fill the disk."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

MAX_LINES, WINDOW_S = 10, 60.0
"""Lines of one message in so many seconds."""


@dataclass(slots=True)
class _Count:
    """Of one message, since its window began."""

    begun_at: float
    n_lines: int = 0


class Bounded(logging.Filter):
    """Lets so many lines a minute of each message through, and says how many it left out.

    A message is known by its place in the code, so a line for each post or broker is one message.

    Parameters
    ----------
    clock : callable
        Monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._counts: dict[tuple[str, str, int], _Count] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; the last words of a worker always are."""
        if record.levelno >= logging.CRITICAL:
            return True
        count = self._counts.setdefault(_place_of(record), _Count(self._clock()))
        if self._clock() - count.begun_at >= WINDOW_S:
            n_left_out, count.begun_at, count.n_lines = count.n_lines - MAX_LINES, self._clock(), 0
            if n_left_out > 0:
                record.msg = f"{record.getMessage()} (and {n_left_out} more like this before)"
                record.args = ()
        count.n_lines += 1
        return count.n_lines <= MAX_LINES


def _place_of(record: logging.LogRecord) -> tuple[str, str, int]:
    return record.name, record.pathname, record.lineno


class LogFormat(StrEnum):
    """How a line of the log is written."""

    text = "text"
    json = "json"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message``; ``trace`` of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


_FORMATTERS = {
    LogFormat.text: lambda: logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"),
    LogFormat.json: JsonFormatter,
}


def log_to_standard_error(log_format: LogFormat = LogFormat.text) -> None:
    """Our own lines with time and level; of the libraries below only what goes wrong, since they say much of little."""
    logging.basicConfig(level=logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_FORMATTERS[log_format]())
        handler.addFilter(_is_news)
        handler.addFilter(Bounded())
    logging.getLogger("sluice").setLevel(logging.INFO)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what Faust's unread copy of a failed send says again, with a traceback."""
    return record.name != "asyncio" or "FutureMessage" not in record.getMessage()
