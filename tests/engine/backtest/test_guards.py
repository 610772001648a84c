"""Limits as people write them, and intervals of shares."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from sluice.backtest.guards import Guard, parse_guard, wilson_interval


@pytest.mark.parametrize(
    ("text", "guard", "spelling"),
    [
        ("review=+1%", Guard("review", 1.0), "review=+1%"),
        ("block=-2.5%", Guard("block", -2.5), "block=-2.5%"),
        (" changed = 2 % ", Guard("changed", 2.0), "changed=2%"),
    ],
)
def test_a_guard_is_read(text: str, guard: Guard, spelling: str) -> None:
    assert parse_guard(text) == guard
    assert guard.spelling == spelling


@pytest.mark.parametrize("text", ["", "review", "review=1", "reviews=1%", "review=one%", "review>1%"])
def test_what_is_no_guard_says_what_one_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"allow, review, block, changed"):
        parse_guard(text)


@pytest.mark.parametrize(("n_found", "n_all"), [(0, 10), (3, 10), (10, 10), (1, 5000)])
def test_the_interval_is_wilsons(n_found: int, n_all: int) -> None:
    expected = binomtest(n_found, n_all).proportion_ci(0.95, "wilson")
    assert wilson_interval(n_found, n_all) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
