"""A policy and what is known of a post in; decision, reasons, urgency, queue and tags out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from sluice.schema import DECISIONS, Decision, PolicyRef, RuleReason, Urgency
from sluice.verdict.facts import Facts, Question
from sluice.verdict.policy import Finding, Policy, Thresholds, decide, find
from sluice.verdict.rules import RuleSet
from sluice.verdict.urgency import find_urgency

URGENCIES: tuple[Urgency, ...] = get_args(Urgency)
"""From mildest to strictest."""
BY_SCORE = ("scores.", "severity.")
"""How the names of `sluice.verdict.facts.INPUTS` begin that are numbers of the models."""
NEVER = 2.0
"""A limit that no probability reaches."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a policy says of a post.

    Attributes
    ----------
    findings : tuple of Finding
        Labels over a threshold.
    rules : tuple of RuleReason
        Rules that were true, or failed.
    """

    decision: Decision
    findings: tuple[Finding, ...]
    rules: tuple[RuleReason, ...]
    urgency: Urgency
    queue: str | None
    tags: tuple[str, ...]


class Judge:
    """A policy, ready to decide: its rules compiled, its hash computed.

    Attributes
    ----------
    policy : Policy
    ref : PolicyRef
        As verdicts carry it.
    reads : frozenset of str
        What rules look at, of `sluice.verdict.facts.INPUTS`.

    Raises
    ------
    RuleMistake
        A rule's expression is wrong.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.ref: PolicyRef = policy.ref
        self._rules = RuleSet(policy.rules)
        self._least = {label: _least_of(thresholds) for label, thresholds in policy.labels.items()}
        self.reads = frozenset(self._rules.names)

    def needs_only(self, thresholds: Mapping[str, float]) -> bool:
        """Whether all that it decides by scores is whether they reach these thresholds, or higher ones.

        Parameters
        ----------
        thresholds : mapping of str to float
            By label; nothing is known of one that is missing.
        """
        if any(name.startswith(BY_SCORE) for name in self.reads):
            return False
        return all(least >= thresholds.get(label, NEVER) for label, least in self._least.items())

    def judge(self, facts: Facts) -> Judgement:
        """Decide: the strictest of what scores, unread parts and rules ask for."""
        policy = self.policy
        high = {label: score for label, score in facts.scores.items() if score >= self._least.get(label, NEVER)}
        findings = find(policy, high, facts.pictured) if high else ()
        decision = decide(policy, findings, facts.all_scored, facts.all_understood)
        rules = self._rules.ask(Question(facts, decision, tuple(finding.label for finding in findings)))
        return Judgement(
            decision=_strictest([decision, *(self._asked_by(rule) for rule in rules)]),
            findings=findings,
            rules=tuple(rules),
            urgency=max([find_urgency(policy, findings), *_urgencies(rules)], key=URGENCIES.index),
            queue=next((rule.queue for rule in rules if rule.queue), None),
            tags=tuple(dict.fromkeys(tag for rule in rules for tag in rule.tags)),
        )

    def _asked_by(self, rule: RuleReason) -> Decision:
        return self.policy.failed_rule if rule.failed is not None else rule.decision or "allow"


def _least_of(thresholds: Thresholds) -> float:
    """The lowest of a label's limits."""
    limits = (thresholds, thresholds.image or thresholds)
    return min([each for some in limits for each in (some.review, some.block) if each is not None], default=NEVER)


def _strictest(decisions: Iterable[Decision]) -> Decision:
    return max(decisions, key=DECISIONS.index)


def _urgencies(rules: Iterable[RuleReason]) -> list[Urgency]:
    return [rule.urgency for rule in rules if rule.urgency]
