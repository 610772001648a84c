"""What a command says: its own words, and nothing that an error quotes."""

from __future__ import annotations

import pytest

from sluice.jobs.said import Said

TRACE = ["Traceback (most recent call last):", '  File "x.py", line 1, in f', "    f(secret)"]


def said(*lines: str) -> Said:
    made = Said()
    for line in lines:
        made.note(line)
    return made


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ([*TRACE, "ValueError: secret"], "ValueError"),
        ([*TRACE, "KeyError: 'a'", "secret", "secret: more"], "KeyError"),
        ([*TRACE, "KeyError: 1", "During handling of the above exception, another exception occurred:", *TRACE,
          "confluent_kafka.KafkaException: secret"], "confluent_kafka.KafkaException"),
        ([*TRACE, "KeyboardInterrupt"], "KeyboardInterrupt"),
    ],
)  # fmt: skip
def test_of_an_error_that_nobody_foresaw_the_name_is_told(lines: list[str], name: str) -> None:
    told = said("reading", *lines)
    assert told.describe_end(1) == f"it ended by an error that nobody foresaw: {name}"
    assert told.last == "reading"


def test_what_it_says_of_itself_comes_first_also_after_a_trace() -> None:
    assert said(*TRACE, "OSError: secret", "sluice: Kafka does not answer").describe_end(1) == "Kafka does not answer"


def test_a_signal_is_named() -> None:
    assert said().describe_end(-9) == "it was ended by signal 9"


def test_the_last_lines_are_kept() -> None:
    told = said(*(f"line {n}" for n in range(50)))
    assert (len(told.lines), told.last) == (20, "line 49")
