"""Which of several decisions on a post counts."""

from __future__ import annotations

from itertools import permutations

import pytest

from sluice.human_decision import HumanDecision
from sluice.people.latest import LatestDecisions, when_made

WRITTEN_S = 1_800_000_000.0
FIRST = HumanDecision(post_id="p", decision="block", decided_at="2026-11-28T10:00:00Z")
APPEAL = HumanDecision(post_id="p", decision="allow", occasion="appeal", decided_at="2026-11-28T12:00:00+01:00")


def test_the_last_that_was_made_counts_in_whatever_order_they_come() -> None:
    for order in permutations([FIRST, APPEAL]):
        latest = LatestDecisions()
        for number, decision in enumerate(order):
            latest.note(decision, WRITTEN_S + number)
        assert latest.on(None, "p") == APPEAL


def test_without_times_of_their_own_the_last_that_was_written_counts() -> None:
    latest = LatestDecisions()
    for decision in ("block", "allow"):
        latest.note(HumanDecision(post_id="p", decision=decision), WRITTEN_S)  # type: ignore[arg-type]
    found = latest.on("shop", "p")
    assert found is not None
    assert found.decision == "allow"


def test_a_tenant_s_decision_is_on_no_other_s_post() -> None:
    latest = LatestDecisions()
    shop, forum = (HumanDecision(post_id="p", decision="allow", tenant=tenant) for tenant in ("shop", "forum"))
    latest.note(shop, WRITTEN_S)
    latest.note(forum, WRITTEN_S + 1)
    assert [latest.on(tenant, "p") for tenant in ("shop", "forum", None, "news")] == [shop, forum, None, None]
    latest.note(HumanDecision(post_id="p", decision="block"), WRITTEN_S + 2)
    assert {found.decision for tenant in ("shop", "news") if (found := latest.on(tenant, "p"))} == {"block"}
    assert len(list(latest.keys_on("shop", "p"))) == 2


@pytest.mark.parametrize(
    ("said", "made_s"),
    [
        (None, WRITTEN_S), ("yesterday", WRITTEN_S), ("2999-01-01T00:00:00Z", WRITTEN_S), ("", WRITTEN_S),
        ("1970-01-01T00:01:00Z", 60.0), ("1970-01-01T00:01:00", 60.0),
    ],
)  # fmt: skip
def test_a_time_to_come_or_none_is_that_of_the_message(said: str | None, made_s: float) -> None:
    assert when_made(HumanDecision(post_id="p", decision="allow", decided_at=said), WRITTEN_S) == made_s
