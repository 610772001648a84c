from sluice.cli import demo
from sluice.errors import StackError
from tests.engine.cli.scripted import answer_with


def test_idle_latency_is_of_posts_sent_one_at_a_time(kafka, exchange, start_worker, capsys):
    start_worker(answer_with(kafka))
    demo.measure_idle(exchange)
    assert f"({demo.N_IDLE_POSTS} posts)" in capsys.readouterr().err


def test_a_server_that_ended_is_named():
    class DeadStack:
        def check(self):
            raise StackError("the worker ended with status 1")

    assert demo._find_dead(DeadStack()) == ["the worker ended with status 1"]
