"""The generators, on an embedded broker and on a real HTTP server with stand-ins behind them."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sluice.bench.http_load import HttpLoad
from sluice.bench.kafka_load import KafkaLoad, repeat_for_ever
from sluice.bench.posts import Mix, make_posts
from sluice.bench.trace import Closed, Open
from sluice.errors import PartLate, StackError
from sluice.schema import decode_post, encode
from tests.engine.cli.verdicts import make_verdict

TEXT = Mix(100, 0, 0, 0, 0)
PAUSE_S = 0.4


@pytest.fixture
def posts(tmp_path):
    return make_posts(400, 1, TEXT, tmp_path)


@pytest.fixture
def load(kafka, start_worker):
    """A generator, and a worker that pauses once at the post named ``1-20``."""

    def answer(message):
        post = decode_post(message.value())
        if post.id == "1-20":
            time.sleep(PAUSE_S)
        if post.id == "1-7":
            return [(kafka.topics.dead_letters, message.value(), [("sluice-reason", b"invalid")])]
        status = "failed: " + PartLate("not begun").detail if post.id == "1-9" else "ok"
        return [(kafka.topics.verdicts, encode(make_verdict(post.id, modalities={"text": status})), [])]

    start_worker(answer)
    made = KafkaLoad(kafka)
    yield made
    made.close()


def test_a_closed_load_sends_all_and_counts_every_outcome(load, posts):
    trace = load.run(Closed(50, 30.0), posts)
    assert (len(trace.due), trace.n_lost, trace.n_dead, trace.n_late) == (400, 0, 1, 1)
    assert len(trace.answers) == 399
    assert set(trace.done) == {post.id for post in posts}


def test_no_more_than_the_window_is_under_way(load, posts):
    trace = load.run(Closed(5, 30.0), posts[:60])
    events = sorted([(at, 1) for at in trace.due.values()] + [(at, -1) for at in trace.done.values()])
    under_way = most = 0
    for _, change in events:
        under_way += change
        most = max(most, under_way)
    assert most <= 5


def test_a_closed_load_ends_when_its_time_is_over(load, posts):
    trace = load.run(Closed(4, 1.0), repeat_for_ever(posts[30:40]))
    assert trace.begin < trace.end
    assert trace.n_done > 0
    assert trace.n_lost == 0


def test_a_pause_makes_later_posts_late_and_hides_nothing(load, posts):
    """The schedule goes on while the worker stands still: whoever waited for answers would measure one slow post."""
    trace = load.run(Open(100.0, 3.0, arrivals="steady"), posts)
    assert trace.n_lost == 0
    late = [post for post, due in trace.due.items() if trace.done[post] - due > PAUSE_S / 4]
    assert len(late) >= 10
    assert trace.cpu_s > 0


def test_warming_up_waits_for_outcomes(load, posts):
    load.warm_up(posts[30:60])
    assert load.run(Closed(10, 30.0), posts[:30]).n_lost == 0


def test_posts_are_repeated_with_other_texts(posts):
    stream = repeat_for_ever(posts[:3])
    turns = [[next(stream) for _ in range(3)] for _ in range(3)]
    assert [post.text for post in turns[0]] == [post.text for post in posts[:3]]
    assert len({post.id for turn in turns for post in turn}) == 9
    assert len({post.text for turn in turns for post in turn}) == 9


class Answering(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500 if decode_post(body).id == "1-3" else 200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def url():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/score"
        server.shutdown()


@pytest.mark.parametrize("load", [Closed(8, 30.0), Open(200.0, 30.0)])
def test_http_answers_are_counted(url, posts, load):
    trace = HttpLoad(url).run(load, posts[:100])
    assert (len(trace.done), trace.n_lost, trace.n_dead) == (100, 0, 1)
    assert len(trace.answers) == 99
    assert trace.begin < trace.end
    assert trace.n_done == 100 or isinstance(load, Open)


def test_an_http_server_that_is_away_is_an_error(posts):
    with pytest.raises(StackError, match="not answered"):
        HttpLoad("http://127.0.0.1:9/score").warm_up(posts[:3])
