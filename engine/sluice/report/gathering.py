"""Outcomes → what a report says of them: counts, histograms, and the few posts that are shown."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.schema import DECISIONS, LABELS, Decision, Verdict
from sluice.strict_json import read_json
from sluice.verdict.policy import Limits, Policy, find, limits_of

N_SHOWN = 20
"""Of the most certain posts, and of the borderline ones."""
N_BINS = 20
"""Of a label's histogram."""


ShownT = TypeVar("ShownT")


class _Letter(msgspec.Struct):
    reason: str = "unknown"


class _DeadLetter(msgspec.Struct):
    dead_letter: _Letter


_VERDICTS = msgspec.json.Decoder(Verdict)
_DEAD_LETTERS = msgspec.json.Decoder(_DeadLetter)


def read_outcome(line: bytes) -> Verdict | str:
    """A verdict, or the reason of a dead letter; raises `msgspec.DecodeError` for a line that is neither."""
    try:
        return read_json(_VERDICTS.decode, line)
    except msgspec.ValidationError as error:
        return _read_reason(line, error)


def _read_reason(line: bytes, error: msgspec.ValidationError) -> str:
    try:
        return read_json(_DEAD_LETTERS.decode, line).dead_letter.reason
    except msgspec.ValidationError:
        raise error from None


class BestFew(Generic[ShownT]):
    """Those with the highest rank, of any number that are offered."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int, ShownT]] = []
        self._n_offered = 0

    def offer(self, rank: float, shown: ShownT) -> None:
        """Keep it if it ranks among the highest; of equal ones the first stays."""
        self._n_offered += 1
        entry = (rank, -self._n_offered, shown)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def ordered(self) -> list[ShownT]:
        """From the highest rank down."""
        return [shown for _, _, shown in sorted(self._heap, reverse=True)]


def _make_counters() -> defaultdict[str, Counter[str]]:
    return defaultdict(Counter)


@dataclass(slots=True)
class Summary:
    """What is known of the outcomes so far.

    Attributes
    ----------
    decisions : Counter
        By decision.
    by_label, by_language : dict of str to Counter
        Decisions of the posts with a reason of that label; of the posts in that language.
    statuses : Counter
        Kind of part and status, of parts that were not read whole.
    dead_letters : Counter
        By reason.
    n_repeated : int
        Verdicts of a post that had one already, which are left out.
    policies : Counter
        Name and version.
    histograms : dict of str to ndarray, shape = (N_BINS,)
        How many posts have a label's score in each bin of [0, 1].
    latency_ms : dict of str to array
        Milliseconds by stage.
    certain, borderline : BestFew
        The posts with the highest scores over a threshold; those whose decision a small change would turn.
    """

    policy: Policy
    decisions: Counter[str] = field(default_factory=Counter)
    by_label: defaultdict[str, Counter[str]] = field(default_factory=_make_counters)
    by_language: defaultdict[str, Counter[str]] = field(default_factory=_make_counters)
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    n_repeated: int = 0
    policies: Counter[tuple[str, int]] = field(default_factory=Counter)
    histograms: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    latency_ms: dict[str, array[float]] = field(default_factory=dict)
    certain: BestFew[Verdict] = field(default_factory=lambda: BestFew(N_SHOWN))
    borderline: BestFew[Verdict] = field(default_factory=lambda: BestFew(N_SHOWN))
    _seen: set[str] = field(default_factory=set)

    @property
    def n_verdicts(self) -> int:
        """One per post."""
        return self.decisions.total()

    def add(self, line: bytes) -> None:
        """Count an outcome; raises `msgspec.DecodeError` for a line that is neither a verdict nor a dead letter."""
        outcome = read_outcome(line)
        if isinstance(outcome, Verdict):
            self._add_verdict(outcome)
        else:
            self.dead_letters[outcome] += 1

    def shown_ids(self) -> set[str]:
        """Of the posts that are shown."""
        return {verdict.post_id for few in (self.certain, self.borderline) for verdict in few.ordered()}

    def _add_verdict(self, verdict: Verdict) -> None:
        if verdict.post_id in self._seen:
            self.n_repeated += 1
            return
        self._seen.add(verdict.post_id)
        self.decisions[verdict.decision] += 1
        self.policies[verdict.policy.name, verdict.policy.version] += 1
        for reason in verdict.reasons:
            self.by_label[reason.label][verdict.decision] += 1
        if verdict.language:
            self.by_language[verdict.language.code][verdict.decision] += 1
        for part, status in verdict.modalities.items():
            if status != "ok":
                self.statuses[part.partition(":")[0], status] += 1
        self._add_numbers(verdict)
        self._offer(verdict)

    def _add_numbers(self, verdict: Verdict) -> None:
        for label, score in verdict.scores.items():
            if label not in self.histograms:
                self.histograms[label] = np.zeros(N_BINS, np.int64)
            self.histograms[label][min(int(max(score, 0.0) * N_BINS), N_BINS - 1)] += 1
        for stage, milliseconds in verdict.latency_ms.items():
            self.latency_ms.setdefault(stage, array("d")).append(milliseconds)

    def _offer(self, verdict: Verdict) -> None:
        if verdict.reasons:
            certainty = max(reason.score - reason.threshold for reason in verdict.reasons)
            self.certain.offer(DECISIONS.index(verdict.decision) + certainty, verdict)
        margin = find_margin(self.policy, verdict.scores, find_pictured(self.policy, verdict))
        self.borderline.offer(-margin, verdict)


def find_pictured(policy: Policy, verdict: Verdict) -> frozenset[str]:
    """Labels of which an image says most, as far as a verdict tells: by the threshold that it names, or did not reach.

    Where a score is below both of a label's limits in a post of several kinds of parts, the lower ones are taken.
    """
    kinds = {part.partition(":")[0] for part in verdict.modalities}
    if "image" not in kinds:
        return frozenset()
    if kinds == {"image"}:
        return frozenset(policy.labels)
    reached = {reason.label: reason.threshold for reason in verdict.reasons}
    return frozenset(
        label
        for label, limits in policy.labels.items()
        if limits.image
        and _counted_as_pictured(limits, limits.image, reached.get(label), verdict.scores.get(label, 0.0))
    )


def _counted_as_pictured(own: Limits, image: Limits, reached: float | None, score: float) -> bool:
    if reached is not None:
        return reached in (image.review, image.block)
    return own.review is not None and score >= own.review


def find_margin(policy: Policy, scores: dict[str, float], pictured: Collection[str] = ()) -> float:
    """By how much scores would have to move for another decision.

    Down: all findings of the strictest decision would have to fall. Up: the score nearest below a threshold of
    a stricter one.

    Parameters
    ----------
    pictured : collection of str
        See `sluice.verdict.policy.find`.

    Returns
    -------
    float
        In [0, 1]; 1 where no threshold is near or set.
    """
    findings = find(policy, scores, pictured)
    decision: Decision = findings[0].decision if findings else "allow"
    down = [finding.score - finding.threshold for finding in findings if finding.decision == decision]
    up = [bar - scores[label] for label, bar in _bars_above(policy, decision, pictured) if bar > scores.get(label, bar)]
    return min([1.0, *up, *([max(down)] if down else [])])


def _bars_above(policy: Policy, decision: Decision, pictured: Collection[str]) -> Iterator[tuple[str, float]]:
    """Labels, each with its thresholds of stricter decisions."""
    is_allowed = decision == "allow"
    for label in policy.labels:
        limits = limits_of(policy, label, label in pictured) or Limits()
        if is_allowed and limits.review is not None:
            yield label, limits.review
        if decision != "block" and limits.block is not None:
            yield label, limits.block


def summarise(outcomes: Iterable[bytes], policy: Policy) -> Summary:
    """Count all outcomes; raises `msgspec.DecodeError` for a line that is none."""
    summary = Summary(policy)
    for line in outcomes:
        summary.add(line)
    return summary


def ordered_labels(summary: Summary) -> list[str]:
    """The labels with scores: ours in their order, then others."""
    return sorted(
        summary.histograms, key=lambda label: (LABELS.index(label) if label in LABELS else len(LABELS), label)
    )
