"""The second try at a post: what is read leniently, and what is still refused, with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import InvalidPost
from sluice.loose_json import read_loosely

MARK = "\ufeff"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('{"id": 7, "text": "a"}', {"id": "7", "text": "a"}),
        ('{"id": 1e400, "text": "a"}', {"id": "1e400", "text": "a"}),
        (f'{{"id": {"9" * 5000}}}', {"id": "9" * 5000}),
        ('{"id": "a", "author_id": 12.50}', {"id": "a", "author_id": "12.50"}),
        ('{"id": "a", "author_id": {"x": 1}, "surface": 3, "created_at": ["now"]}', {"id": "a"}),
        ('{"id": "a", "surface": "forum", "created_at": "now"}', {"id": "a", "surface": "forum", "created_at": "now"}),
        ('{"id": "a", "text": null, "images": null, "deadline_ms": null}', {"id": "a"}),
        ('{"id": "a", "deadline_ms": 2e3}', {"id": "a", "deadline_ms": 2000}),
        ('{"id": "a", "deadline_ms": 2.5}', {"id": "a", "deadline_ms": 2.5}),
        ('{"id": "a", "unknown": {"deep": [1]}}', {"id": "a"}),
        (
            '{"id": "a", "images": ["x", null, {"uri": "y", "alt": 3}]}',
            {"id": "a", "images": [{"uri": "x"}, {"uri": "y"}]},
        ),
        ('{"id": "a", "audio": [{"alt": 3}, 7, []]}', {"id": "a", "audio": [{}, 7, []]}),
        ('{"id": "a", "images": "x"}', {"id": "a", "images": "x"}),
        ('{"id": "a", "text": "\\ud800x"}', {"id": "a", "text": "\ufffdx"}),
        ('{"id": "a", "text": ["x"]}', {"id": "a", "text": []}),
    ],
)
def test_what_is_not_at_stake_is_read_leniently(text: str, fields: dict[str, object]) -> None:
    assert read_loosely(text.encode()) == fields


def test_marks_between_tokens_go_and_marks_within_a_text_stay() -> None:
    text = f'{MARK}{{{MARK}"{MARK}id": "a"{MARK}, "text": "x{MARK}y \\"{MARK}\\" z"}}{MARK}'
    assert read_loosely(text.encode()) == {"id": "a", "text": f'x{MARK}y "{MARK}" z'}


@pytest.mark.parametrize(
    ("raw", "reason", "detail"),
    [
        (b'{"id": "\xff"}', "not_utf8", "byte 8 of 11: invalid start byte"),
        (b"{", "not_json", "Expecting property name"),
        (b'{"id": NaN}', "not_json", "NaN is not JSON"),
        (b'{"deadline_ms": -Infinity}', "not_json", "-Infinity is not JSON"),
        (b"[" * 100_000, "not_json", "nested too deeply"),
        (b"[]", "invalid", "Expected `object`, got `array`"),
        (b"7", "invalid", "Expected `object`, got `number`"),
        (b'"a"', "invalid", "Expected `object`, got `str`"),
        (b"true", "invalid", "Expected `object`, got `bool`"),
        (b"null", "invalid", "Expected `object`, got `null`"),
    ],
)
def test_what_is_no_object_is_refused_with_its_reason(raw: bytes, reason: str, detail: str) -> None:
    with pytest.raises(InvalidPost) as caught:
        read_loosely(raw)
    assert caught.value.reason == reason
    assert caught.value.detail.startswith(detail)


@given(st.binary(max_size=200) | st.text('{}[]":,0123e.-\\ufeffau', max_size=60).map(str.encode))
def test_any_bytes_are_fields_or_refused(raw: bytes) -> None:
    try:
        found = read_loosely(raw)
    except InvalidPost as error:
        assert error.reason in InvalidPost.REASONS
    else:
        assert isinstance(found, dict)
