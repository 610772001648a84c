"""A message that is no post stays as whole as its topic lets it, and says what was left out."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.kafka import DETAIL_HEADER, LEFT_OUT_HEADER, REASON_HEADER, SOURCE_HEADER
from sluice.stream.dead_letters import MAX_DETAIL_CHARS, MAX_HEADERS_BYTES, Letter, Message, short, shorter_letters

HEADERS = [("trace", b"1"), ("huge", b"x" * MAX_HEADERS_BYTES), ("last", b"2")]
MESSAGE = Message(b"the key", b"no post", HEADERS, 1.5, "posts/0/7")


def letters_of(message: Message, detail: str = "line 1") -> list[Letter]:
    return list(shorter_letters(message, "not_json", detail))


def n_bytes(letter: Letter) -> int:
    headers = sum(len(name.encode()) + len(value or b"") for name, value in letter.headers)
    return len(letter.key or b"") + len(letter.value or b"") + headers


def left_out(letter: Letter) -> list[str]:
    return [(value or b"").decode() for name, value in letter.headers if name == LEFT_OUT_HEADER]


def test_a_tombstone_stays_one_however_long_its_key_is() -> None:
    letters = letters_of(Message(b"k" * 4_000_000, None, HEADERS, 1.5, "posts/0/7"))
    assert {letter.value for letter in letters} == {None}
    assert n_bytes(letters[-1]) < 1_000
    assert not any(step.startswith("value") for step in left_out(letters[-1]))


def test_the_first_letter_is_the_whole_message_and_why() -> None:
    first = letters_of(MESSAGE)[0]
    assert (first.key, first.value) == (MESSAGE.key, MESSAGE.value)
    assert list(first.headers[:3]) == HEADERS
    assert dict(first.headers[3:]) == {
        REASON_HEADER: b"not_json",
        DETAIL_HEADER: b"line 1",
        SOURCE_HEADER: b"posts/0/7",
    }


def test_what_is_left_out_is_said_step_by_step() -> None:
    steps = [left_out(letter) for letter in letters_of(MESSAGE)]
    key = "key: 7 bytes, its SHA-256 in its place"
    assert steps == [
        [],
        ["headers: 2 of 3"],
        ["headers: 2 of 3", "value: 7 bytes"],
        ["headers: 2 of 3", "value: 7 bytes", key],
        ["headers: all 3", "value: 7 bytes", key],
    ]


def test_a_key_that_finds_no_room_is_still_told_apart_by_its_hash() -> None:
    *_, before_last, last = letters_of(MESSAGE)
    assert before_last.key == last.key == hashlib.sha256(b"the key").hexdigest().encode()


def test_every_letter_keeps_reason_detail_and_source() -> None:
    for letter in letters_of(MESSAGE):
        names = [name for name, _ in letter.headers]
        assert [names.count(name) for name in (REASON_HEADER, DETAIL_HEADER, SOURCE_HEADER)] == [1, 1, 1]


def test_a_tombstone_without_a_key_has_its_letters_too() -> None:
    letters = letters_of(Message(None, None, [], None, "posts/0/8"))
    assert {(letter.key, letter.value) for letter in letters} == {(None, None)}
    assert left_out(letters[-1])[0] == "headers: all 0"
    assert Message(None, None, [], None, "").n_bytes == 0


def test_a_long_detail_is_cut() -> None:
    detail = dict(letters_of(MESSAGE, "é" * 5_000)[0].headers)[DETAIL_HEADER]
    assert detail == ("é" * MAX_DETAIL_CHARS).encode()


def test_a_detail_that_is_no_unicode_text_is_replaced_and_not_refused() -> None:
    assert dict(letters_of(MESSAGE, "at \ud800")[0].headers)[DETAIL_HEADER] == b"at ?"


@pytest.mark.parametrize("value", [None, b"", b"x" * MAX_HEADERS_BYTES])
def test_a_single_header_is_kept_if_it_fits(value: bytes | None) -> None:
    headers = [("", value)]
    assert short(headers) == headers
    assert short([("n", b"x" * MAX_HEADERS_BYTES)]) == []


texts = st.text(max_size=8)
sizes = st.integers(0, MAX_HEADERS_BYTES // 2)
headers_of_any_kind = st.lists(st.tuples(texts, st.none() | sizes.map(bytes)), max_size=8)


@given(headers_of_any_kind)
def test_kept_headers_are_the_first_ones_and_within_the_limit(headers: list[tuple[str, bytes | None]]) -> None:
    kept = list(short(headers))
    assert kept == headers[: len(kept)]
    size = sum(len(name.encode()) + len(value or b"") for name, value in kept)
    assert size <= MAX_HEADERS_BYTES
    if len(kept) < len(headers):
        name, value = headers[len(kept)]
        assert size + len(name.encode()) + len(value or b"") > MAX_HEADERS_BYTES


@given(st.none() | st.binary(max_size=500), st.binary(min_size=200, max_size=5_000), headers_of_any_kind)
def test_the_last_letter_fits_wherever_its_reason_does(
    key: bytes | None, value: bytes, headers: list[tuple[str, bytes | None]]
) -> None:
    first, *_, last = letters_of(Message(key, value, headers, None, "t/0/0"))
    assert n_bytes(first) >= len(value)
    assert n_bytes(last) < 500
