import json

import pytest

from sluice.cli import demo
from sluice.client import Outcomes, Publisher, WindowedPublisher
from sluice.errors import StackError
from sluice.schema import encode
from tests.engine.cli.verdicts import make_reason, make_verdict


@pytest.fixture
def exchange(kafka):
    with Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:
        yield WindowedPublisher(publisher, outcomes)


def make_lines(n):
    return [(number, json.dumps({"id": f"p-{number}", "text": "hi"}).encode()) for number in range(1, n + 1)]


def answer_with(kafka, n_times=1, lost=()):
    def answer(message):
        if message.key() in lost:
            return []
        verdict = encode(make_verdict(message.key().decode(), "block", reasons=(make_reason("threat", 0.9),)))
        return [(kafka.topics.verdicts, verdict, [])] * n_times

    return answer


def test_idle_latency_is_of_posts_sent_one_at_a_time(kafka, exchange, start_worker, capsys):
    start_worker(answer_with(kafka))
    demo.measure_idle(exchange)
    assert f"({demo.N_IDLE_POSTS} posts)" in capsys.readouterr().err


def test_a_server_that_ended_is_named():
    class DeadStack:
        def check(self):
            raise StackError("the worker ended with status 1")

    assert demo._find_dead(DeadStack()) == ["the worker ended with status 1"]
