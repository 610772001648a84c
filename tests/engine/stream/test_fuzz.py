"""Whatever a message holds, it has one outcome, and the moderator goes on.

``SLUICE_FUZZ_MESSAGES`` says how many messages are made up; all of them go through one moderator.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.errors import InvalidPost
from sluice.loose_json import BYTE_ORDER_MARK
from sluice.schema import Post, _decode_loosely, decode_post, decode_verdict
from sluice.stream.dead_letters import Headers, Message
from tests.engine.stream.test_moderation import TOPICS, Desk

N_MESSAGES = int(os.environ.get("SLUICE_FUZZ_MESSAGES", "400"))
N_BATCHES = 10

TEXT = st.text(st.characters(exclude_categories=()), max_size=30)  # lone surrogates too
NUMBER = st.integers() | st.floats() | st.just(10**400)
URI = st.sampled_from(["a:ok", "a:broken", "a:none", "a:bug", "a:long", "data:image/png;base64,AAAA", "", "\ufeff"])
ANY = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
MEDIA = st.lists(URI | st.fixed_dictionaries({"uri": URI}) | ANY, max_size=12)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "id": TEXT | NUMBER | ANY,
        "text": TEXT | ANY,
        "images": MEDIA | ANY,
        "audio": MEDIA | ANY,
        "deadline_ms": st.integers(-1, 700_000) | ANY,
        "author_id": ANY,
        "surface": ANY,
        "created_at": ANY,
        "\ufefftext": TEXT,
        "more": ANY,
    },
)
LIKELY = st.fixed_dictionaries({"id": st.text(min_size=1, max_size=5), "text": TEXT}, optional={"images": MEDIA})


def spoil(raw: bytes, edits: list[tuple[int, bytes, int]]) -> bytes:
    """Put bytes in the place of others."""
    for at, new, n_old in edits:
        start = at % (len(raw) + 1)
        raw = raw[:start] + new + raw[start + n_old :]
    return raw


WRITTEN = (FIELDS | LIKELY | ANY).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
UNESCAPED = (FIELDS | LIKELY).map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
EDIT = st.tuples(
    st.integers(0, 500),
    st.sampled_from(
        [b"", b'"', b"{", b"]", b",", b"\\", b"\xff", b"\xef\xbb\xbf", b"\x00", b"NaN", b"[" * 200, b"null"]
    ),
    st.integers(0, 6),
)
VALUE = st.none() | st.binary(max_size=60) | WRITTEN | UNESCAPED | st.builds(
    spoil, WRITTEN | UNESCAPED, st.lists(EDIT, min_size=1, max_size=4)
)  # fmt: skip
LONG = st.binary(max_size=20) | st.integers(0, 12_000).map(bytes)
KEY = st.none() | LONG
HEADERS = st.lists(st.tuples(TEXT, st.none() | LONG), max_size=4)


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


def make_up(check: Callable[..., None], *strategies: st.SearchStrategy[object], n_messages: int) -> None:
    """Call `check` on made-up messages, in batches: Hypothesis remembers what it has tried within one."""
    chosen = settings(max_examples=n_messages, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    chosen(given(*strategies)(check))()


def measure_memory() -> float:
    """MiB that this process holds."""
    gc.collect()
    return psutil.Process().memory_info().rss / 2**20


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
            make_up(check, KEY, VALUE, HEADERS, st.none() | st.floats(-1, 4e9), n_messages=N_MESSAGES // N_BATCHES)
            held_mib.append(measure_memory())
            print(f"{outcomes.total()} messages {dict(outcomes)}; {held_mib[-1]:.0f} MiB", flush=True)
    assert outcomes.total() >= N_MESSAGES


def make_message(chance: random.Random) -> bytes:
    """Without Hypothesis, which remembers what it has tried."""
    kind = chance.random()
    if kind < 0.3:
        return chance.randbytes(chance.randrange(60))
    text = "".join(chr(chance.randrange(32, 0x3000)) for _ in range(chance.randrange(30)))
    uris = [chance.choice(["a:ok", "a:broken", "a:none", "a:bug", "a:long"]) for _ in range(chance.randrange(12))]
    written = json.dumps({"id": f"p-{chance.random()}", "text": text, "images": uris}).encode()
    return written if kind < 0.8 else spoil(written, [(chance.randrange(500), chance.randbytes(2), 2)])


@pytest.fixture
def unlogged() -> Iterator[None]:
    """pytest keeps every line."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("unlogged")
async def test_the_moderator_keeps_nothing_of_what_it_has_handled() -> None:
    desk, chance, held_mib = Desk(), random.Random(1), []
    for _ in range(N_BATCHES):
        for _ in range(N_MESSAGES):
            desk.outbox.sent.clear()
            await desk.moderator.handle(Message(b"k", make_message(chance), [], None, "moderation.posts/0/7"))
        held_mib.append(measure_memory())
    print(f"{N_BATCHES * N_MESSAGES} messages; MiB after each tenth: {[round(mib, 1) for mib in held_mib]}")
    assert held_mib[-1] < 1.05 * held_mib[0]


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
