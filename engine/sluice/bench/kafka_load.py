"""The generator of the rows on Kafka: publishes posts and reads their outcomes, on one thread of its own process."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from sluice.bench.trace import N_ANSWERS, RAMP_SHARE, Closed, Open, Trace
from sluice.client import Outcomes, Publisher
from sluice.config import KafkaConfig
from sluice.errors import PartLate, StackError
from sluice.schema import Post, encode

POLL_S = 0.002
MAX_WAIT_S = 0.05
"""For an outcome, while the next post is not due: the wait ends with the first one, and hardly takes any CPU."""
DRAIN_S = 60.0
"""For posts that are under way when the last one is sent."""
WARM_UP_S = 120.0
WARM_UP_WINDOW = 32

LATE = PartLate.BEGINNING.encode()
"""Stands in a verdict where a part was given up. Nothing that the generator writes reads so."""

Message = tuple[str, bytes]
"""A post's id, and the post."""


class KafkaLoad:
    """Sends to one posts topic and reads from one verdicts topic.

    Parameters
    ----------
    kafka : KafkaConfig
        With the topics of the row.
    """

    def __init__(self, kafka: KafkaConfig) -> None:
        self._publisher = Publisher(kafka)
        self._outcomes = Outcomes(kafka)
        self._trace = Trace()
        self._cpu_at_begin = 0.0

    def warm_up(self, posts: Sequence[Post]) -> None:
        """Send posts that nobody measures, and wait for all of them; raises `StackError` if they have no outcomes."""
        self._trace = Trace()
        self._publisher.connect()
        self._send_keeping(encode_all(posts), WARM_UP_WINDOW, time.time() + WARM_UP_S)
        self._drain(WARM_UP_S)
        if self._trace.n_lost:
            raise StackError(f"{self._trace.n_lost} of {len(posts)} posts had no outcome within {WARM_UP_S:g} s")

    def run(self, load: Closed | Open, posts: Iterable[Post]) -> Trace:
        """Send posts as the load says, and read until all have an outcome."""
        trace = self._trace = Trace()
        messages = encode_all(posts)
        start = trace.begin = time.time()
        self._cpu_at_begin = time.process_time()
        if isinstance(load, Closed):
            self._run_closed(load, messages, start)
        else:
            self._run_open(load, messages, start)
        trace.end = time.time()
        trace.cpu_s = time.process_time() - self._cpu_at_begin
        self._drain(DRAIN_S)
        return trace

    def _note_begin(self) -> None:
        """The ramp is over: from here on everything counts."""
        self._trace.begin, self._cpu_at_begin = time.time(), time.process_time()

    def soak(self, load: Closed, posts: Sequence[Post]) -> int:
        """The load for as long as it says, however few the posts; how many had an outcome."""
        return self.run(load, repeat_for_ever(posts)).n_done

    def close(self) -> None:
        """Let go of Kafka."""
        self._outcomes.close()

    def _run_closed(self, load: Closed, messages: Iterable[Message], start: float) -> None:
        """Where the posts do not last, the load is over when the last one is done, and a ramp is not left out."""
        left = iter(messages)
        ramp_end, end = start + RAMP_SHARE * load.seconds, start + load.seconds
        if self._send_keeping(left, load.window, ramp_end):
            self._note_begin()
            if self._send_keeping(left, load.window, end):
                return
        self._drain(end - time.time())

    def _send_keeping(self, messages: Iterable[Message], window: int, until: float) -> bool:
        """Keep `window` posts under way until the time, or until there are no more: whether they lasted."""
        left = iter(messages)
        while time.time() < until:
            room = window - self._trace.n_lost
            chosen = list(islice(left, max(0, room)))
            for post_id, value in chosen:
                self._send(post_id, value, time.time())
            if room > 0 and not chosen:
                return False
            self._read(POLL_S)
        return True

    def _run_open(self, load: Open, messages: Iterable[Message], start: float) -> None:
        ramp_end, has_begun = start + RAMP_SHARE * load.seconds, False
        for due_s, (post_id, value) in zip(load.due_s(), messages, strict=False):
            due = start + due_s
            if not has_begun and due >= ramp_end:
                self._note_begin()
                has_begun = True
            while (wait_s := due - time.time()) > 0:
                self._read(min(wait_s, MAX_WAIT_S))
            self._send(post_id, value, due)

    def _send(self, post_id: str, value: bytes, due: float) -> None:
        """Latency counts from `due`: a generator that is behind makes posts late, and does not hide it."""
        self._trace.due[post_id] = due
        self._publisher.publish_bytes(value, post_id.encode())

    def _read(self, timeout_s: float) -> None:
        trace = self._trace
        self._publisher.poll()
        for outcome in self._outcomes.poll(timeout_s):
            post_id = (outcome.key or b"").decode()
            if post_id not in trace.due or post_id in trace.done:
                continue
            trace.done[post_id] = time.time()
            trace.n_dead += outcome.kind == "dead_letter"
            if outcome.kind == "verdict":
                self._note_verdict(post_id, outcome.verdict_json())

    def _note_verdict(self, post_id: str, verdict: bytes) -> None:
        self._trace.n_late += LATE in verdict
        if len(self._trace.answers) < N_ANSWERS:
            self._trace.answers[post_id] = verdict

    def _drain(self, patience_s: float) -> None:
        end = time.time() + patience_s
        while self._trace.n_lost and time.time() < end:
            self._read(0.05)


def encode_all(posts: Iterable[Post]) -> Iterable[Message]:
    """Encoded before the load begins, unless there is no end of them: making posts is no part of it."""
    messages = ((post.id, encode(post)) for post in posts)
    return list(messages) if isinstance(posts, Sequence) else messages


def repeat_for_ever(posts: Sequence[Post]) -> Iterator[Post]:
    """The posts over and over, each time with other texts and ids."""
    turn = 0
    while True:
        for post in posts:
            text = f"{post.text} {turn}" if turn else post.text
            yield msgspec.structs.replace(post, id=f"{post.id}-{turn}", text=text)
        turn += 1
