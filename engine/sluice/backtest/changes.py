"""Verdicts, and what else was said of their posts → how many were decided otherwise, and which."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from sluice.report.gathering import BestFew
from sluice.schema import DECISIONS, Decision, PostKey, Verdict
from sluice.verdict.facts import recall
from sluice.verdict.models_used import is_cleared
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
class Said:
    """What is said of a post that has a verdict, by other policies or other models.

    Attributes
    ----------
    labels, rules : tuple of str
        Those over a threshold, and those that were true.
    policy : str
        Name and version of what decided.
    a_rule_failed : bool
        Whether one could not be evaluated.
    """

    decision: Decision
    labels: tuple[str, ...]
    rules: tuple[str, ...]
    policy: str
    a_rule_failed: bool = False


def decide_anew(policies: PolicySet, verdict: Verdict) -> Said:
    """What policies say of a post that is scored already."""
    facts = recall(verdict)
    judge = policies.choose(facts.post, facts.language)
    judgement = judge.judge(facts)
    return Said(
        judgement.decision,
        labels=tuple(finding.label for finding in judgement.findings),
        rules=tuple(rule.rule for rule in judgement.rules if rule.failed is None),
        policy=f"{judge.policy.name} {judge.policy.version}",
        a_rule_failed=any(rule.failed is not None for rule in judgement.rules),
    )


def read_said(verdict: Verdict) -> Said:
    """What a verdict says."""
    return Said(
        verdict.decision,
        labels=tuple(reason.label for reason in verdict.reasons),
        rules=tuple(rule.rule for rule in verdict.rules if rule.failed is None),
        policy=f"{verdict.policy.name} {verdict.policy.version}",
        a_rule_failed=any(rule.failed is not None for rule in verdict.rules),
    )


@dataclass(frozen=True, slots=True)
class Example:
    """A post that is decided otherwise."""

    verdict: Verdict
    said: Said


def _make_turns() -> defaultdict[str, Turns]:
    return defaultdict(Counter)


@dataclass(slots=True)
class Changes:
    """What is known so far.

    Attributes
    ----------
    turns : Counter
        Posts, by their decision as it was and as it would be.
    by_label : dict of str to Counter
        The posts that a label flagged or would flag, by its state (of `STATES`) before and after.
    by_rule : Counter
        Posts on which a rule is true for the other side.
    by_language, by_tenant : dict of str to Counter
        The same of the posts in a language, and of a tenant.
    n_repeated : int
        Verdicts of a post that had one already, which are left out.
    n_without_basis : int
        Verdicts of an earlier version, which do not say all that a policy may look at.
    n_cleared : int
        Verdicts whose scores are those that a first stage expects.
    n_failed_rules : int
        Posts on which a rule could not be evaluated.
    """

    turns: Turns = field(default_factory=Counter)
    by_label: defaultdict[str, Turns] = field(default_factory=_make_turns)
    by_rule: Counter[str] = field(default_factory=Counter)
    by_language: defaultdict[str, Turns] = field(default_factory=_make_turns)
    by_tenant: defaultdict[str, Turns] = field(default_factory=_make_turns)
    n_repeated: int = 0
    n_without_basis: int = 0
    n_cleared: int = 0
    n_failed_rules: int = 0
    _examples: BestFew[Example] = field(default_factory=lambda: BestFew(N_SHOWN))

    @property
    def n_posts(self) -> int:
        """Posts that were compared."""
        return self.turns.total()

    @property
    def n_changed(self) -> int:
        """Of those, the ones with another decision."""
        return sum(count for (old, new), count in self.turns.items() if old != new)

    def count(self, decision: str) -> tuple[int, int]:
        """How many posts have a decision, and how many by the other side."""
        was = sum(n for (old, _), n in self.turns.items() if old == decision)
        return was, sum(n for (_, new), n in self.turns.items() if new == decision)

    def examples(self) -> list[Example]:
        """Posts whose decision changes most, and of those the ones with the highest scores."""
        return self._examples.ordered()

    def note(self, verdict: Verdict, said: Said) -> None:
        """Count a post."""
        self.n_without_basis += verdict.basis is None
        self.n_cleared += is_cleared(verdict.models)
        self.by_rule.update(said.rules)
        self.n_failed_rules += said.a_rule_failed
        turn = (verdict.decision, said.decision)
        self.turns[turn] += 1
        self.by_language[verdict.language.code if verdict.language else NONE][turn] += 1
        self.by_tenant[verdict.tenant or NONE][turn] += 1
        for label, asked in _turns_of_labels(verdict, said):
            self.by_label[label][asked] += 1
        if turn[0] != turn[1]:
            self._examples.offer(_rank(verdict, said), Example(verdict, said))


@dataclass(slots=True)
class Retrial:
    """Policies, tried on verdicts.

    Attributes
    ----------
    changes : Changes
        What is known so far. A post counts once.
    """

    policies: PolicySet
    changes: Changes = field(default_factory=Changes)
    _seen: set[PostKey] = field(default_factory=set)

    def add(self, verdict: Verdict) -> None:
        """Decide a post anew."""
        self.add_anew(verdict, verdict)

    def add_anew(self, verdict: Verdict, scored: Verdict) -> None:
        """Decide a post anew, by scores that were made anew too."""
        post = (verdict.tenant, verdict.post_id)
        if post in self._seen:
            self.changes.n_repeated += 1
            return
        self._seen.add(post)
        self.changes.note(verdict, decide_anew(self.policies, _with_known(scored, verdict)))


def _with_known(scored: Verdict, verdict: Verdict) -> Verdict:
    """New scores, and what else the verdict rests on: what was known of the author, and what lists and banks held."""
    if scored is verdict or scored.basis is None:
        return scored
    author = verdict.basis.author if verdict.basis else None
    basis = msgspec.structs.replace(scored.basis, author=author)
    return msgspec.structs.replace(scored, basis=basis, lists=verdict.lists, hashes=verdict.hashes)


def _turns_of_labels(verdict: Verdict, said: Said) -> Iterator[tuple[str, Turn]]:
    """The labels that were over a threshold, or are for the other side."""
    old, new = {reason.label for reason in verdict.reasons}, set(said.labels)
    for label in old | new:
        yield label, (STATES[label in old], STATES[label in new])


def _rank(verdict: Verdict, said: Said) -> float:
    """How far the decision moves, and how high the highest score is."""
    distance = abs(DECISIONS.index(said.decision) - DECISIONS.index(verdict.decision))
    return distance + max(verdict.scores.values(), default=0.0)
