"""An outage's lines are counted, not all written."""

import json
import logging
from datetime import datetime

import pytest
from typer.testing import CliRunner

from sluice.cli import app
from sluice.cli.worker_log import MAX_LINES, WINDOW_S, Bounded, JsonFormatter, _is_news


class Log:
    """A logger with the filter, and the lines that it lets through."""

    def __init__(self):
        self.now, self.lines = 0.0, []
        self.filter = Bounded(lambda: self.now)

    def write(self, message, *values, line=1, name="aiokafka", level=logging.ERROR):
        record = logging.LogRecord(name, level, "file.py", line, message, values, None)
        if self.filter.filter(record):
            self.lines.append(record.getMessage())


@pytest.fixture
def log():
    return Log()


def test_one_message_is_written_a_few_times_a_minute(log):
    for number in range(500):
        log.write("node %s is away", number)
    assert log.lines == [f"node {number} is away" for number in range(MAX_LINES)]


def test_then_it_says_how_many_were_left_out(log):
    for number in range(500):
        log.write("node %s is away", number)
    log.now += WINDOW_S
    log.write("node %s is away", 500)
    assert log.lines[-1] == f"node 500 is away (and {500 - MAX_LINES} more like this before)"
    log.now += WINDOW_S
    log.write("node %s is away", 501)
    assert log.lines[-1] == "node 501 is away"


def test_messages_are_counted_each_on_its_own(log):
    for name in ("one", "two"):
        for number in range(100):
            log.write("node %s is away", number, name=name)
    assert len(log.lines) == 2 * MAX_LINES


def test_messages_with_values_written_into_them_are_counted_by_their_place(log):
    """So that a library that formats its own messages is bounded too."""
    for number in range(500):
        log.write(f"node {number} is away", line=7)
    assert len(log.lines) <= MAX_LINES


def test_last_words_are_always_written(log):
    for number in range(3 * MAX_LINES):
        log.write("the worker ends: %s", number, level=logging.CRITICAL)
    assert len(log.lines) == 3 * MAX_LINES


def test_an_unread_copy_of_a_failed_send_is_no_news():
    def make(name, message):
        return logging.LogRecord(name, logging.ERROR, "f", 1, message, (), None)

    assert not _is_news(make("asyncio", "Future exception was never retrieved: <FutureMessage>"))
    assert _is_news(make("asyncio", "another"))
    assert _is_news(make("sluice", "FutureMessage"))


def test_as_json_a_line_is_one_object_whatever_it_says():
    try:
        raise ValueError("a\nb")
    except ValueError as error:
        exception = (type(error), error, error.__traceback__)
    record = logging.LogRecord("sluice.app", logging.WARNING, "f", 1, 'says "%s"\n', ("é",), exception)
    line = JsonFormatter().format(record)
    written = json.loads(line)
    assert "\n" not in line
    assert (written["level"], written["logger"], written["message"]) == ("warning", "sluice.app", 'says "é"\n')
    assert "ValueError" in written["trace"]
    assert datetime.fromisoformat(written["time"]).timestamp() == pytest.approx(record.created, abs=0.001)


@pytest.mark.parametrize("arguments", [["--log-format", "xml"], []])
def test_an_unknown_format_is_wrong_usage_and_the_known_are_named(arguments, monkeypatch):
    monkeypatch.setenv("SLUICE_LOG_FORMAT", "xml")
    result = CliRunner().invoke(app, ["worker", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'text', 'json'" in result.stderr
