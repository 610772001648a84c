"""People's decisions in Kafka, brought together with the verdicts on the same posts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from sluice.client import Outcomes, open_topic
from sluice.config import KafkaConfig
from sluice.human_decision import DecisionError, HumanDecision, read_decision
from sluice.people.latest import LatestDecisions
from sluice.schema import PostKey, Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """A post with a verdict and a person's decision."""

    verdict: Verdict
    decision: HumanDecision

    @property
    def post(self) -> PostKey:
        """Which post."""
        return self.verdict.tenant, self.verdict.post_id


@dataclass(slots=True)
class Gathered:
    """What the topics hold.

    Attributes
    ----------
    decisions : LatestDecisions
        The last one of each post.
    judged : list of Judged
        Those that have a verdict, by the first one: it is what people saw.
    n_invalid : int
        Messages that are no decisions.
    n_verdicts : int
        Posts with a verdict.
    n_without_verdict : int
        Decisions on posts without a verdict in what was read.
    """

    decisions: LatestDecisions = field(default_factory=LatestDecisions)
    judged: list[Judged] = field(default_factory=list)
    n_invalid: int = 0
    n_verdicts: int = 0
    n_without_verdict: int = 0


def gather(kafka: KafkaConfig, since_s: float, timeout_s: float) -> Gathered:
    """Read both topics to their ends.

    Parameters
    ----------
    since_s : float
        Verdicts and decisions from then on, in seconds since 1970.

    Raises
    ------
    KafkaUnavailable
        Kafka does not answer, or lacks a topic.
    """
    found = Gathered()
    with open_topic(kafka, kafka.topics.decisions, since_s, timeout_s) as outcomes:
        for outcome in outcomes.read_to_end():
            try:
                decision = read_decision(outcome.value)
            except DecisionError:
                found.n_invalid += 1
            else:
                found.decisions.note(decision, outcome.timestamp_s or 0.0)
    with open_topic(kafka, kafka.topics.verdicts, since_s, timeout_s) as outcomes:
        _join(found, _verdicts(outcomes))
    return found


def _join(found: Gathered, verdicts: Iterator[Verdict]) -> None:
    seen, with_verdict = set[PostKey](), set[PostKey]()
    for verdict in verdicts:
        post = (verdict.tenant, verdict.post_id)
        if post in seen:
            continue
        seen.add(post)
        with_verdict.update(found.decisions.keys_on(*post))
        if decision := found.decisions.on(*post):
            found.judged.append(Judged(verdict, decision))
    found.n_verdicts, found.n_without_verdict = len(seen), len(found.decisions) - len(with_verdict)


def _verdicts(outcomes: Outcomes) -> Iterator[Verdict]:
    for outcome in outcomes.read_to_end():
        try:
            yield outcome.verdict()
        except msgspec.DecodeError:
            continue
