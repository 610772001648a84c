"""How soon somebody should look after a person. Pure: findings and a policy in, an urgency out."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.schema import Urgency
from sluice.verdict.policy import Finding, Policy

AT_OTHERS = frozenset({"harassment", "threat"})
"""Found beside self-harm, these say that the post is about somebody else: it urges them on, or threatens them."""


def find_urgency(policy: Policy, findings: Sequence[Finding]) -> Urgency:
    """Whether a post speaks of harming oneself, and how surely.

    It says how sure the model is, not how great the danger is: that is for a person to find out.

    Returns
    -------
    Urgency
        ``none`` unless ``self_harm`` is among the findings; ``urgent`` where its score is high and nothing says that
        the post turns against somebody else; else ``concern``.
    """
    score = next((finding.score for finding in findings if finding.label == "self_harm"), None)
    if score is None:
        return "none"
    is_at_others = any(finding.label in AT_OTHERS for finding in findings)
    return "urgent" if score >= policy.urgent_self_harm and not is_at_others else "concern"
