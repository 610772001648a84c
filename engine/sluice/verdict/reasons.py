"""Why a post was not allowed: each finding with what every part adds to it, and where in the weighty parts it shows."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.modalities.scored import ScoredPart
from sluice.schema import Reason
from sluice.verdict.fusion import Scores
from sluice.verdict.policy import Finding, Policy, Thresholds

WEIGHTY = 0.05
"""A part whose contribution reaches this is shown with evidence; the weightiest part always is."""


def explain(finding: Finding, parts: Sequence[ScoredPart], scores: Scores, policy: Policy) -> Reason:
    """The reason behind one finding.

    Parameters
    ----------
    parts : sequence of ScoredPart
        Only parts with outputs.
    policy : Policy
        Which may have a word of its own for the label.
    """
    contributions = scores.contributions(finding.label)
    bar = min(WEIGHTY, max(contributions.values(), default=0.0))
    weighty = [part for part in parts if contributions.get(part.part.name, -1.0) >= bar]
    evidence = tuple(item for part in weighty for item in part.evidence(finding.label))
    name = policy.labels.get(finding.label, Thresholds()).alias
    return Reason(finding.label, finding.score, finding.threshold, contributions, evidence, name)
