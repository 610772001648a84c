"""Posts sent and their outcomes shown, in the order of the posts."""

import json

import pytest
import typer

from sluice.cli import sending
from sluice.cli.sending import Source
from sluice.client import MAX_MESSAGE_BYTES, WindowedPublisher
from tests.engine.cli.scripted import answer_with, make_lines


def test_all_is_well(kafka, exchange, start_worker, capfdbinary):
    start_worker(answer_with(kafka))
    source = Source(make_lines(100), 100)
    results = sending.send(exchange, source, as_json=True)
    sending.conclude(results, 100)
    printed = [json.loads(line)["post_id"] for line in capfdbinary.readouterr().out.splitlines()]
    assert printed == [f"p-{number}" for number in range(1, 101)]


def test_a_second_outcome_fails_the_demo(kafka, exchange, start_worker, capsys):
    start_worker(answer_with(kafka, n_times=2))
    results = sending.send(exchange, Source(make_lines(3), 3), as_json=False)
    with pytest.raises(typer.Exit) as ended:
        sending.conclude(results, 3)
    assert ended.value.exit_code == 1
    assert "a second outcome" in capsys.readouterr().err


def test_a_missing_outcome_fails_the_demo_and_names_the_line(kafka, exchange, start_worker, capsys):
    start_worker(answer_with(kafka, lost=(b"p-2",)))
    list(exchange.exchange([b'{"id": "the worker is up"}']))
    impatient = WindowedPublisher(exchange._publisher, exchange._outcomes, stall_timeout_s=2.0)
    results = sending.send(impatient, Source(make_lines(3), 3), as_json=False)
    with pytest.raises(typer.Exit):
        sending.conclude(results, 3)
    said = capsys.readouterr().err
    assert "3 lines: 2 verdicts, 0 dead letters, 1 missing" in said
    assert "no outcome for lines 2" in said


def test_a_line_that_kafka_cannot_take_is_a_dead_letter(kafka, exchange, start_worker, capfdbinary):
    start_worker(answer_with(kafka))
    lines = [*make_lines(1), (2, b"x" * (MAX_MESSAGE_BYTES + 1))]
    results = sending.send(exchange, Source(lines, 2), as_json=True)
    sending.conclude(results, 2)
    letter = json.loads(capfdbinary.readouterr().out.splitlines()[1])["dead_letter"]
    assert (letter["reason"], letter["published"]) == ("too_large", False)


def test_the_table_is_cut_and_says_so(kafka, exchange, start_worker, capsys):
    start_worker(answer_with(kafka))
    n_lines = sending.MAX_ROWS + 5
    results = sending.send(exchange, Source(make_lines(n_lines), n_lines), as_json=False)
    sending.show(results, Source((), n_lines, {1: "the first"}), as_json=False)
    said = capsys.readouterr().err
    assert "the first" in said
    assert f"p-{sending.MAX_ROWS} " in said
    assert f"p-{sending.MAX_ROWS + 1} " not in said
    assert "and 5 more" in said
    assert "end to end" in said
