"""What people's decisions say of the verdicts."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sluice.human_decision import DecisionError, HumanDecision, labels_of, read_decision
from sluice.people.overrules import count_overrules, write_metrics
from sluice.people.topic import Judged
from sluice.schema import LABELS
from tests.engine.cli.verdicts import make_reason, make_verdict


def judged(post_id: str, decision: str, human: str, occasion: str = "review", **labels: int) -> Judged:
    reasons = (make_reason("hate", 0.9),) if decision != "allow" else ()
    verdict = make_verdict(post_id, decision, reasons=reasons)
    return Judged(verdict, HumanDecision(post_id=post_id, decision=human, occasion=occasion, labels=labels))  # type: ignore[arg-type]


POSTS = [
    judged("a", "block", "allow", "appeal"),
    judged("b", "block", "block", hate=1),
    judged("c", "review", "allow"),
    judged("d", "allow", "block", "sample", spam=1),
    judged("e", "allow", "allow", "sample"),
    judged("f", "block", "block", spam=1, hate=0),
]


def test_overruled_are_those_that_people_decide_the_other_way() -> None:
    figures = count_overrules(POSTS)
    rates = {rate.name: (rate.posts, rate.overruled) for rate in figures.by_decision}
    assert rates == {"allow": (2, 1), "review": (1, 0), "block": (3, 1)}
    (sampled,) = figures.sampled
    assert (sampled.name, sampled.posts, sampled.overruled, sampled.share) == ("allow", 2, 1, 0.5)
    assert sampled.low < 0.5 < sampled.high
    assert [(rate.name, rate.overruled) for rate in figures.appeals] == [("block", 1)]


def test_what_is_overruled_for_sure_is_the_lower_end_of_the_interval() -> None:
    figures = count_overrules(POSTS)
    assert figures.surely_overruled == max(rate.low for rate in figures.by_decision if rate.name != "review")
    assert 0.0 < figures.surely_overruled < 0.5
    assert count_overrules([judged("c", "review", "allow")]).surely_overruled == 0.0


def test_prometheus_reads_the_file() -> None:
    families = {each.name: each for each in text_string_to_metric_families(write_metrics(count_overrules(POSTS)))}
    shares = {sample.labels["verdict"]: sample.value for sample in families["sluice_overruled_ratio"].samples}
    assert shares == {"allow": 0.5, "block": pytest.approx(1 / 3, abs=1e-5)}
    assert {sample.value for sample in families["sluice_judged_posts"].samples} == {2, 3}
    assert all(sample.value < 0.5 for sample in families["sluice_overruled_low_ratio"].samples)


def test_a_label_is_wrong_where_people_say_that_it_is_not_it() -> None:
    (hate,) = count_overrules(POSTS).wrongly_flagged
    assert (hate.name, hate.posts, hate.overruled) == ("hate", 4, 3)
    unknown = count_overrules([judged("g", "block", "block")])
    assert unknown.wrongly_flagged == (), "nobody said what the post is"


def test_an_allowed_post_has_no_label_and_a_block_without_one_may_be_any() -> None:
    assert labels_of(POSTS[0].decision) == dict.fromkeys(LABELS, 0)
    assert labels_of(POSTS[1].decision) == {"hate": 1}
    assert labels_of(HumanDecision(post_id="x", decision="block")) is None


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{", "JSON is malformed|truncated"),
        (None, "truncated"),
        (b'{"post_id": "a", "decision": "review"}', "Invalid enum value"),
        (b'{"post_id": "a", "decision": "block", "labels": {"made up": 1}}', "a label that Sluice does not know"),
        (b'{"post_id": "a", "decision": "block", "labels": {"hate": 2}}', "Invalid enum value"),
        (b"\xff", "malformed|utf"),
    ],
)
def test_what_is_no_decision_is_refused_without_what_it_holds(raw: bytes | None, said: str) -> None:
    with pytest.raises(DecisionError, match=said) as caught:
        read_decision(raw)
    assert "made up" not in str(caught.value)
