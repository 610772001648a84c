"""Messages that Hypothesis makes up; run as a program it writes so many of them, for a process that it must not fill.

Hypothesis remembers what it has tried: beside a worker whose memory is measured it would be most of the growth.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from subprocess import PIPE, Popen

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
TIME = st.none() | st.floats(-1, 4e9)


class MadeUp(msgspec.Struct, frozen=True):
    """One message, as it goes from process to process."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    published_at: float | None


def make_up(check: Callable[..., None], *strategies: st.SearchStrategy[object], n_messages: int) -> None:
    """Call `check` on made-up messages, in batches: Hypothesis remembers what it has tried within one."""
    chosen = settings(max_examples=n_messages, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    chosen(given(*strategies)(check))()


def write(n_messages: int) -> None:
    """Write messages to standard output, a MessagePack object each behind its length in four bytes."""

    def emit(
        key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]], published_at: float | None
    ) -> None:
        readable = [(name.encode("utf-8", "replace").decode(), content) for name, content in headers]
        raw = msgspec.msgpack.encode(MadeUp(key, value, readable, published_at))
        sys.stdout.buffer.write(len(raw).to_bytes(4, "big") + raw)

    for _ in range(N_BATCHES):
        make_up(emit, KEY, VALUE, HEADERS, TIME, n_messages=n_messages // N_BATCHES)


def read(n_messages: int) -> Iterator[MadeUp]:
    """Messages out of a process of their own."""
    command = [sys.executable, "-m", "tests.engine.stream.made_up_messages", str(n_messages)]
    with Popen(command, stdout=PIPE) as process:
        assert process.stdout
        while size := process.stdout.read(4):
            yield msgspec.msgpack.decode(process.stdout.read(int.from_bytes(size, "big")), type=MadeUp)
    assert process.returncode == 0


if __name__ == "__main__":
    write(int(sys.argv[1]))
