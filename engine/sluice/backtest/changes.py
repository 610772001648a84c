"""Verdicts and a policy → how many posts it would decide otherwise, and which."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from sluice.report.gathering import BestFew
from sluice.schema import DECISIONS, Verdict
from sluice.verdict.facts import recall
from sluice.verdict.judgement import Judgement
from sluice.verdict.policy_set import PolicySet

N_SHOWN = 20
"""Of the posts whose decision changes."""
NONE = "none"
"""Instead of a language or a tenant."""

STATES = ("clear", "flagged")
"""Of a label: below its thresholds, or over one."""

Turn = tuple[str, str]
"""The decision as it was and as it would be."""
Turns = Counter[Turn]


@dataclass(frozen=True, slots=True)
class Example:
    """A post that would be decided otherwise."""

    verdict: Verdict
    judgement: Judgement


def _make_turns() -> defaultdict[str, Turns]:
    return defaultdict(Counter)


@dataclass(slots=True)
class Changes:
    """What is known so far.

    Attributes
    ----------
    policies : PolicySet
        Those that are tried.
    turns : Counter
        Posts, by their decision as it was and as it would be.
    by_label : dict of str to Counter
        The posts that a label flagged or would flag, by its state (of `STATES`) before and after.
    by_rule : Counter
        Posts on which a rule of the new policies would be true.
    by_language, by_tenant : dict of str to Counter
        The same of the posts in a language, and of a tenant.
    n_repeated : int
        Verdicts of a post that had one already, which are left out.
    n_without_basis : int
        Verdicts of an earlier version, which do not say all that a policy may look at.
    n_failed_rules : int
        Posts on which a rule could not be evaluated.
    """

    policies: PolicySet
    turns: Turns = field(default_factory=Counter)
    by_label: defaultdict[str, Turns] = field(default_factory=_make_turns)
    by_rule: Counter[str] = field(default_factory=Counter)
    by_language: defaultdict[str, Turns] = field(default_factory=_make_turns)
    by_tenant: defaultdict[str, Turns] = field(default_factory=_make_turns)
    n_repeated: int = 0
    n_without_basis: int = 0
    n_failed_rules: int = 0
    _examples: BestFew[Example] = field(default_factory=lambda: BestFew(N_SHOWN))
    _seen: set[str] = field(default_factory=set)

    @property
    def n_posts(self) -> int:
        """Posts that were decided anew."""
        return self.turns.total()

    @property
    def n_changed(self) -> int:
        """Of those, the ones with another decision."""
        return sum(count for (old, new), count in self.turns.items() if old != new)

    def count(self, decision: str) -> tuple[int, int]:
        """How many posts have a decision, and would have it."""
        was = sum(n for (old, _), n in self.turns.items() if old == decision)
        return was, sum(n for (_, new), n in self.turns.items() if new == decision)

    def examples(self) -> list[Example]:
        """Posts whose decision changes most, and of those the ones with the highest scores."""
        return self._examples.ordered()

    def add(self, verdict: Verdict) -> None:
        """Decide a post anew."""
        if verdict.post_id in self._seen:
            self.n_repeated += 1
            return
        self._seen.add(verdict.post_id)
        self.n_without_basis += verdict.basis is None
        facts = recall(verdict)
        judgement = self.policies.choose(facts.post, facts.language).judge(facts)
        self.by_rule.update(rule.rule for rule in judgement.rules if rule.failed is None)
        self.n_failed_rules += any(rule.failed is not None for rule in judgement.rules)
        self._count(verdict, judgement)

    def _count(self, verdict: Verdict, judgement: Judgement) -> None:
        turn = (verdict.decision, judgement.decision)
        self.turns[turn] += 1
        self.by_language[verdict.language.code if verdict.language else NONE][turn] += 1
        self.by_tenant[verdict.tenant or NONE][turn] += 1
        for label, asked in _turns_of_labels(verdict, judgement):
            self.by_label[label][asked] += 1
        if turn[0] != turn[1]:
            self._examples.offer(_rank(verdict, judgement), Example(verdict, judgement))


def _turns_of_labels(verdict: Verdict, judgement: Judgement) -> Iterator[tuple[str, Turn]]:
    """The labels that were over a threshold, or would be."""
    old = {reason.label for reason in verdict.reasons}
    new = {finding.label for finding in judgement.findings}
    for label in old | new:
        yield label, (STATES[label in old], STATES[label in new])


def _rank(verdict: Verdict, judgement: Judgement) -> float:
    """How far the decision moves, and how high the highest score is."""
    distance = abs(DECISIONS.index(judgement.decision) - DECISIONS.index(verdict.decision))
    return distance + max(verdict.scores.values(), default=0.0)
