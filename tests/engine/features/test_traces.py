"""Whatever is changed in a text, each character knows where it came from."""

import re

import pytest

from sluice.features.traces import Traced, drop, reverse, substitute, trace


def spell(traced: Traced) -> list[tuple[str, int]]:
    text, origin = traced
    assert len(origin) == len(text) + 1
    return list(zip(text, origin.tolist(), strict=False))


def test_an_unchanged_text_comes_from_itself() -> None:
    assert spell(trace("abc")) == [("a", 0), ("b", 1), ("c", 2)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", [("a", 0), ("d", 3)]),
        ("X", [("a", 0), ("X", 1), ("d", 3)]),
        ("XYZW", [("a", 0), ("X", 1), ("Y", 1), ("Z", 2), ("W", 2), ("d", 3)]),
    ],
)
def test_what_is_written_is_spread_over_what_was_there(written: str, expected: list[tuple[str, int]]) -> None:
    assert spell(substitute(trace("abcd"), re.compile("bc"), lambda _: written)) == expected


def test_several_changes_are_made_at_once_and_one_after_another() -> None:
    once = substitute(trace("b-b"), re.compile("b"), lambda match: match[0] * 2)
    assert spell(once) == [("b", 0), ("b", 0), ("-", 1), ("b", 2), ("b", 2)]
    assert spell(substitute(once, re.compile("-"), lambda _: "")) == [("b", 0), ("b", 0), ("b", 2), ("b", 2)]


def test_without_a_match_nothing_is_copied() -> None:
    traced = trace("abc")
    assert substitute(traced, re.compile("x"), lambda _: "") is traced
    assert reverse(traced, re.compile("<(.*)>")) is traced
    assert drop(traced, []) is traced


def test_a_group_is_turned_round_in_place_of_its_match() -> None:
    assert spell(reverse(trace("a<bc>d"), re.compile("<(.*)>"))) == [("a", 0), ("c", 3), ("b", 2), ("d", 5)]


def test_ranges_are_dropped() -> None:
    assert spell(drop(trace("abcdef"), [(1, 3), (5, 6)])) == [("a", 0), ("d", 3), ("e", 4)]
