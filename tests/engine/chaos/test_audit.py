"""What counts as lost, as a duplicate and as different."""

from __future__ import annotations

import pytest

from sluice.chaos.audit import Tally
from sluice.client import Outcome
from sluice.errors import PartLate
from sluice.kafka import REASON_HEADER
from sluice.schema import AuthorHistory, Basis, Verdict, encode
from tests.engine.cli.verdicts import make_verdict


def outcome_of(verdict: Verdict) -> Outcome:
    return Outcome("verdict", verdict.post_id.encode(), encode(verdict), (), 0, 0, None)


def dead_letter(post_id: str) -> Outcome:
    return Outcome("dead_letter", post_id.encode(), b"", ((REASON_HEADER, b"not_json"),), 0, 0, None)


def tally_of(*outcomes: Outcome) -> Tally:
    tally = Tally()
    for outcome in outcomes:
        tally.take(outcome)
    return tally


def change(verdict: Verdict, **fields: object) -> Verdict:
    return Verdict(**{**{name: getattr(verdict, name) for name in verdict.__struct_fields__}, **fields})


def test_a_post_without_an_outcome_is_missing() -> None:
    tally = tally_of(outcome_of(make_verdict("a")), dead_letter("b"))
    assert tally.missing(["a", "b", "c"]) == ["c"]
    assert tally.dead == {"b": "not_json"}


def test_the_same_verdict_at_another_time_is_a_duplicate_and_not_different() -> None:
    first = make_verdict("a")
    again = change(first, latency_ms={"total": 99.0}, scored_at="2027-01-01T00:00:00Z", cached=("text",))
    tally = tally_of(outcome_of(first), outcome_of(again))
    assert (tally.n_duplicates, tally.different) == (1, {})


def test_what_an_author_did_meanwhile_is_of_the_moment() -> None:
    first = change(make_verdict("a"), basis=Basis(text_chars=3, author=AuthorHistory(posts_1h=1)))
    again = change(first, basis=Basis(text_chars=3, author=AuthorHistory(posts_1h=2)))
    other = change(first, basis=Basis(text_chars=4, author=AuthorHistory(posts_1h=1)))
    assert tally_of(outcome_of(first), outcome_of(again)).different == {}
    assert tally_of(outcome_of(first), outcome_of(other)).different == {"a": {"basis"}}


def test_another_score_is_different() -> None:
    first = make_verdict("a")
    tally = tally_of(outcome_of(first), outcome_of(change(first, scores={**first.scores, "spam": 0.123})))
    assert tally.different == {"a": {"scores"}}


@pytest.mark.parametrize("status", ["failed: {}", "partial: its text: late: {}"])
def test_a_late_part_is_counted_apart(status: str) -> None:
    first = make_verdict("a")
    late = change(first, modalities={"text": status.format(PartLate("not begun").detail)}, decision="review")
    tally = tally_of(outcome_of(first), outcome_of(late))
    assert (tally.late, tally.different) == ({"a"}, {})
