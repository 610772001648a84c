"""Whatever a message holds, it has one outcome, and the moderator goes on.

``SLUICE_FUZZ_MESSAGES`` says how many messages are made up; all of them go through one moderator.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator

import msgspec
import psutil
import pytest

from sluice.errors import InvalidPost
from sluice.loose_json import BYTE_ORDER_MARK
from sluice.schema import Post, _decode_loosely, decode_post, decode_verdict
from sluice.stream.dead_letters import Headers, Message
from tests.engine.stream.made_up_messages import HEADERS, KEY, LIKELY, N_BATCHES, TIME, VALUE, WRITTEN, make_up, read
from tests.engine.stream.test_moderation import TOPICS, Desk

N_MESSAGES = int(os.environ.get("SLUICE_FUZZ_MESSAGES", "400"))
N_FOR_MEMORY = 2_000


def check_outcome(desk: Desk, key: bytes | None, value: bytes | None) -> str:
    """What became of the message: a decision, or a dead letter's reason."""
    *reviews, (topic, sent_key, sent_value, headers) = desk.outbox.sent
    assert [review for review, *_ in reviews] in ([], [TOPICS.reviews])
    if topic == TOPICS.verdicts:
        verdict = decode_verdict(sent_value or b"")
        assert verdict.post_id == decode_post(value).id == (sent_key or b"").decode()
        assert json.loads(sent_value or b"", parse_constant=refuse)
        return verdict.decision
    assert topic == TOPICS.dead_letters
    reason = (dict(headers)["sluice-reason"] or b"").decode()
    assert reason in InvalidPost.REASONS
    assert reason != "unscorable", "a fault of ours"
    left_out = [name for name, _ in headers if name == "sluice-left-out"]
    assert left_out or (sent_key, sent_value) == (key, value)
    return reason


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def measure_memory() -> float:
    """MiB that this process holds."""
    gc.collect()
    return psutil.Process().memory_info().rss / 2**20


@pytest.mark.no_cover
def test_every_message_has_its_one_outcome() -> None:
    outcomes: Counter[str] = Counter()
    held_mib = []
    with asyncio.Runner() as runner:

        async def make_desk() -> Desk:
            return Desk()

        desk = runner.run(make_desk())

        def check(key: bytes | None, value: bytes | None, headers: Headers, published_at: float | None) -> None:
            desk.outbox.sent.clear()
            runner.run(desk.moderator.handle(Message(key, value, headers, published_at, "moderation.posts/0/7")))
            outcomes[check_outcome(desk, key, value)] += 1

        for _ in range(N_BATCHES):
            make_up(check, KEY, VALUE, HEADERS, TIME, n_messages=N_MESSAGES // N_BATCHES)
            held_mib.append(measure_memory())
            print(f"{outcomes.total()} messages {dict(outcomes)}; {held_mib[-1]:.0f} MiB", flush=True)
    assert outcomes.total() >= N_MESSAGES


@pytest.fixture
def unlogged() -> Iterator[None]:
    """pytest keeps every line."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.no_cover
@pytest.mark.usefixtures("unlogged")
async def test_the_moderator_keeps_nothing_of_what_it_has_handled() -> None:
    desk, held_mib, n_messages = Desk(), [], max(N_MESSAGES, N_FOR_MEMORY)
    outcomes: Counter[str] = Counter()
    for made in read(n_messages):
        desk.outbox.sent.clear()
        message = Message(made.key, made.value, made.headers, made.published_at, "moderation.posts/0/7")
        await desk.moderator.handle(message)
        outcomes[check_outcome(desk, made.key, made.value)] += 1
        if outcomes.total() % (n_messages // N_BATCHES) == 0:
            held_mib.append(measure_memory())
    print(f"{dict(outcomes)}; MiB after each tenth: {[round(mib, 1) for mib in held_mib]}")
    assert outcomes.total() >= n_messages
    assert held_mib[-1] < 1.05 * held_mib[0]


@pytest.mark.no_cover
def test_what_is_read_strictly_is_read_leniently_as_the_same() -> None:
    """The second try must never disagree with the first, which is not made where a byte order mark stands."""

    def check(raw: bytes) -> None:
        if BYTE_ORDER_MARK in raw.decode("utf-8", "replace"):
            return
        try:
            strictly = msgspec.json.decode(raw, type=Post)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        assert _decode_loosely(raw) == strictly

    make_up(check, LIKELY.map(lambda value: json.dumps(value).encode()) | WRITTEN, n_messages=N_MESSAGES)
