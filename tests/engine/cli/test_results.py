import json

import pytest

from sluice.cli.results import Results
from sluice.client import Outcome, Settled
from sluice.errors import PostTooLarge, PublishError
from sluice.schema import encode
from tests.engine.cli.verdicts import make_verdict


def settle(index, *, kind="verdict", value=b"", headers=(), error=None, repeated=False):
    outcome = None if error else Outcome(kind, b"k", value, tuple(headers), 0, index, 1.0)
    return Settled(index, outcome, error, repeated, 0.01)


@pytest.fixture
def results():
    return Results(lines=[1, 2, 4])


def test_results_leave_in_the_order_of_the_lines(results):
    verdict = encode(make_verdict())
    results.take(settle(1, value=verdict))
    assert list(results.release()) == []
    results.take(settle(0, kind="dead_letter", headers=[("sluice-reason", b"not_json")]))
    assert [result.line for result in results.release()] == [1, 2]
    results.take(settle(2, value=verdict))
    assert [(result.line, result.as_json) for result in results.release()] == [(4, verdict)]
    assert (results.find_missing(), results.problems) == ([], [])


def test_a_dead_letter_names_its_line(results):
    headers = [("sluice-reason", b"invalid"), ("sluice-detail", "帖 \xff".encode()), ("sluice-source", b"t/0/1")]
    results.take(settle(0, kind="dead_letter", headers=headers))
    (result,) = results.release()
    letter = {"reason": "invalid", "detail": "帖 \xff", "key": "k", "source": "t/0/1", "line": 1}
    assert json.loads(result.as_json) == {"dead_letter": letter}
    assert b"\n" not in result.as_json


def test_too_large_is_a_dead_letter_that_was_not_published(results):
    results.take(settle(0, error=PostTooLarge("5 MB")))
    (result,) = results.release()
    letter = json.loads(result.as_json)["dead_letter"]
    assert (letter["reason"], letter["published"], letter["line"]) == ("too_large", False, 1)
    assert results.problems == []


def test_what_is_missing_repeated_or_undelivered_is_a_problem(results):
    results.take(settle(0, value=encode(make_verdict())))
    results.take(settle(0, value=encode(make_verdict()), repeated=True))
    results.take(settle(1, error=PublishError("no broker")))
    results.take(settle(2, value=b"{}"))
    assert results.find_missing() == [2, 4]
    assert [problem.partition(":")[0] for problem in results.problems] == ["line 1", "line 2", "line 4"]
