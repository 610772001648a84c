"""Who speaks of harming themselves is seen soon, and never blocked for it."""

import pytest

from sluice.resources import default_policy
from sluice.verdict.documents import load_policy
from sluice.verdict.policy import Policy, Thresholds, decide, find
from sluice.verdict.urgency import AT_OTHERS, find_urgency

POLICY = Policy(
    name="test",
    version=1,
    urgent_self_harm=0.7,
    labels={label: Thresholds(review=0.3, block=0.9) for label in (*AT_OTHERS, "violence")}
    | {"self_harm": Thresholds(review=0.3)},
)


@pytest.mark.parametrize(
    ("scores", "urgency"),
    [
        ({}, "none"),
        ({"self_harm": 0.29}, "none"),
        ({"self_harm": 0.3}, "concern"),
        ({"self_harm": 0.7}, "urgent"),
        ({"self_harm": 0.9, "violence": 0.9}, "urgent"),
        ({"self_harm": 0.9, "harassment": 0.3}, "concern"),
        ({"self_harm": 0.9, "threat": 0.95}, "concern"),
        ({"threat": 0.95}, "none"),
    ],
)
def test_urgency_follows_the_score_unless_the_post_turns_against_others(scores: dict[str, float], urgency: str) -> None:
    assert find_urgency(POLICY, find(POLICY, scores)) == urgency


def test_the_default_policy_never_blocks_for_self_harm_alone() -> None:
    policy = load_policy(default_policy())
    findings = find(policy, {"self_harm": 1.0})
    assert decide(policy, findings, all_parts_scored=True, all_understood=True) == "review"
    assert find_urgency(policy, findings) == "urgent"
