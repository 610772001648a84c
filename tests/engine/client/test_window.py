from threading import Event

import pytest

from sluice.client import MAX_MESSAGE_BYTES, Outcomes, Publisher, Window, WindowedPublisher
from sluice.client.inline_media import encode_inline
from sluice.errors import PostTooLarge, PublishError
from sluice.schema import Media, Post, encode


def answer_once(kafka):
    def answer(message):
        bad = message.value().startswith(b"bad")
        return [(kafka.topics.dead_letters if bad else kafka.topics.verdicts, message.value(), [])]

    return answer


def test_each_message_gets_its_outcome(kafka, start_worker):
    start_worker(answer_once(kafka))
    values = [b"bad %d" % n if n % 10 == 0 else b"good %d" % n for n in range(500)]
    with Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:
        windowed = WindowedPublisher(publisher, outcomes, Window(n_posts=32))
        settled = {one.index: one for one in windowed.exchange(values)}
    assert [settled[n].outcome.value for n in range(500)] == values
    assert {one.outcome.kind for n, one in settled.items() if n % 10 == 0} == {"dead_letter"}
    assert not any(one.repeated for one in settled.values())


def test_more_bytes_than_the_broker_keeps_all_arrive(kafka, start_worker):
    start_worker(answer_once(kafka))
    values = [b"%04d" % n + b"x" * 200_000 for n in range(200)]  # 40 MB; the broker keeps 5 MB in each of 4 partitions
    with Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:
        settled = list(WindowedPublisher(publisher, outcomes).exchange(values))
    assert sorted(one.index for one in settled) == list(range(200))


def answer_when(full, kafka):
    """Outcomes come only once the window was full: how far ahead a publisher gets is then no matter of time."""

    def answer(message):
        full.wait(20)
        full.set()  # where it never is, the wait was for all: the test then says how far it came
        return answer_once(kafka)(message)

    return answer


class Watching(Publisher):
    """Notes how many posts waited at most, and says when so many do."""

    def watch(self, windowed, n_full, full):
        self.windowed, self.n_full, self.full, self.n_most = windowed, n_full, full, 0
        full.clear()

    def publish_bytes(self, *args):
        n_bytes = super().publish_bytes(*args)
        self.n_most = max(self.n_most, len(self.windowed.waiting))
        if self.n_most >= self.n_full:
            self.full.set()
        return n_bytes


def test_the_window_bounds_posts_and_bytes(kafka, start_worker):
    start_worker(answer_when(full := Event(), kafka))
    with Outcomes(kafka) as outcomes, Watching(kafka) as publisher:
        windowed = WindowedPublisher(publisher, outcomes, Window(n_posts=7, n_bytes=5000))
        for size, n_full in ((10, 7), (1000, 5)):
            publisher.watch(windowed, n_full, full)
            assert len(list(windowed.exchange([b"x" * size] * 100))) == 100
            assert publisher.n_most == n_full


def test_media_in_the_store_leave_room_in_the_window(kafka, start_worker):
    class Store:
        def put(self, content, suffix=""):
            return "file:///store/x"

    start_worker(answer_when(full := Event(), kafka))
    uri = encode_inline(bytes(300_000), "image/png")
    post = encode(Post(id="p", images=(Media(uri),)))
    with Outcomes(kafka) as outcomes, Watching(kafka, Store()) as publisher:
        windowed = WindowedPublisher(publisher, outcomes, Window(n_posts=20, n_bytes=400_000))
        publisher.watch(windowed, 20, full)
        assert len(list(windowed.exchange([post] * 40))) == 40
    assert publisher.n_most == 20


def test_one_larger_than_the_window_goes_alone(kafka, start_worker):
    start_worker(answer_once(kafka))
    with Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:
        windowed = WindowedPublisher(publisher, outcomes, Window(n_bytes=10))
        assert len(list(windowed.exchange([b"x" * 100] * 3))) == 3


def test_what_is_too_large_settles_with_its_error(kafka, start_worker):
    start_worker(answer_once(kafka))
    with Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:
        settled = list(WindowedPublisher(publisher, outcomes).exchange([b"a", b"x" * (MAX_MESSAGE_BYTES + 1), b"b"]))
    errors = {one.index: type(one.error) for one in settled if one.error}
    assert errors == {1: PostTooLarge}
    assert {one.index for one in settled if one.outcome} == {0, 2}


def test_a_second_outcome_is_marked(kafka, start_worker):
    start_worker(lambda message: [(kafka.topics.verdicts, message.value(), [])] * 2)
    with Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:
        windowed = WindowedPublisher(publisher, outcomes)
        settled = list(windowed.exchange([b"a", b"b"]))
        while len(settled) < 4:
            settled += windowed.settle_late(0.1)
    assert sorted((one.index, one.repeated) for one in settled) == [(0, False), (0, True), (1, False), (1, True)]


def test_indices_count_on_and_strangers_are_ignored(kafka, start_worker):
    start_worker(answer_once(kafka))
    with Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:
        windowed = WindowedPublisher(publisher, outcomes)
        publisher.publish_bytes(b"stranger", headers=[("sluice-correlation", b"other:0")])
        assert [one.index for one in windowed.exchange([b"a"])] == [0]
        assert [one.index for one in windowed.exchange([b"b"])] == [1]


def test_no_progress_is_an_error_and_names_what_waits(kafka, start_worker):
    start_worker(lambda message: [] if message.value() == b"lost" else answer_once(kafka)(message))
    with Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:
        list(WindowedPublisher(publisher, outcomes).exchange([b"the worker is up"]))
        windowed = WindowedPublisher(publisher, outcomes, stall_timeout_s=2.0)
        with pytest.raises(PublishError, match="no outcome for 2 s, 1 wait"):
            list(windowed.exchange([b"a", b"lost", b"b"]))
        assert windowed.waiting == (1,)
