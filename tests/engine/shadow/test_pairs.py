"""Two verdicts of one post meet, whichever comes first."""

from __future__ import annotations

from sluice.shadow.pairs import Pairs
from tests.engine.cli.verdicts import make_verdict

LIVE, SHADOW = make_verdict("a", "allow"), make_verdict("a", "block")


def test_they_meet_in_either_order() -> None:
    pairs = Pairs()
    assert pairs.add_live(LIVE) is None
    assert pairs.add_shadow(SHADOW) == (LIVE, SHADOW)
    assert pairs.add_shadow(SHADOW) is None
    assert pairs.add_live(LIVE) == (LIVE, SHADOW)


def test_of_too_many_that_wait_the_oldest_is_given_up_and_counted() -> None:
    pairs = Pairs(n_waiting=2)
    for post_id in "abc":
        pairs.add_live(make_verdict(post_id, "allow"))
    assert pairs.n_unmatched == 1
    assert pairs.add_shadow(SHADOW) is None, "the live one is gone"
    assert pairs.add_shadow(make_verdict("b", "allow")) is not None
