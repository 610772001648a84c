"""Spans grow to whole words, in scripts that have spaces between words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.modalities.words import MAX_WORD, widen_to_words


@pytest.mark.parametrize(
    ("text", "piece", "words"),
    [
        ("so unbelievable!", "eliev", "unbelievable"),
        ("I don't know", "on", "don't"),
        ("one two three", "e two t", "one two three"),
        ("one two three", " two ", "two"),
        ("ki\u200bnd people", "nd", "ki\u200bnd"),
        ("доброе утро", "бро", "доброе"),
        ("मैं ठीक हूँ", "ठ", "ठीक"),
        ("我喜欢公园", "喜欢", "喜欢"),
        ("きれいですね", "れい", "れい"),
        ("สวัสดีครับ", "สดี", "สดี"),
        ("안녕하세요 여러분", "하세", "안녕하세요"),
        ("look 😀 here", "😀", "😀"),
        ("Oh. I like you, all", ". I like you,", "I like you"),
        ("they said 'go' then", "'go", "go"),
        ("well ... yes", "...", "..."),
        ("win $500 now", "$500 ", "$500"),
    ],
)
def test_a_span_is_drawn_out_to_whole_words(text: str, piece: str, words: str) -> None:
    start = text.index(piece)
    start, end = widen_to_words(text, start, start + len(piece))
    assert text[start:end] == words


def test_white_space_alone_is_nothing() -> None:
    start, end = widen_to_words("a   b", 1, 4)
    assert start == end


def test_what_is_too_long_is_no_word() -> None:
    assert widen_to_words("a" * 1000, 500, 501) == (500 - MAX_WORD, 501 + MAX_WORD)


@given(st.text(st.sampled_from("ab '好\u200bだ.ม"), min_size=1, max_size=40), st.data())
def test_a_span_keeps_all_that_is_seen_and_stays_inside(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    wide_start, wide_end = widen_to_words(text, start, end)
    assert 0 <= wide_start <= wide_end <= len(text)
    assert [c for c in text[start:end] if c.isalpha()] == [
        c for c in text[max(start, wide_start) : min(end, wide_end)] if c.isalpha()
    ]
    assert widen_to_words(text, wide_start, wide_end) == (wide_start, wide_end) or wide_start == wide_end
