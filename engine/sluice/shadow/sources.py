"""Where live verdicts and what the shadow says of the same posts come from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import msgspec

from sluice.backtest.changes import Said, decide_anew, read_said
from sluice.client import Outcomes
from sluice.schema import Verdict
from sluice.shadow.pairs import Pairs
from sluice.verdict.policy_set import PolicySet

logger = logging.getLogger(__name__)

POLL_S = 0.2

Compared = tuple[Verdict, Said]
"""A live verdict, and what the shadow says of its post."""


def judge_again(live: Outcomes, policies: PolicySet, is_over: Callable[[], bool]) -> Iterator[Compared]:
    """Live verdicts as they come, each judged by `policies` too; ends once `is_over`, with what was there read."""
    while not (live.has_caught_up and is_over()):
        for verdict in read_verdicts(live):
            yield verdict, decide_anew(policies, verdict)


def pair_up(live: Outcomes, shadow: Outcomes, pairs: Pairs, is_over: Callable[[], bool]) -> Iterator[Compared]:
    """Live verdicts beside those of a second worker, once both are there; ends as `judge_again` does."""
    while not (live.has_caught_up and shadow.has_caught_up and is_over()):
        met = [pairs.add_live(verdict) for verdict in read_verdicts(live)]
        met += [pairs.add_shadow(verdict) for verdict in read_verdicts(shadow)]
        for pair in met:
            if pair is not None:
                yield pair[0], read_said(pair[1])


def read_verdicts(outcomes: Outcomes) -> Iterator[Verdict]:
    """What has come in; a message that is no verdict is named in the log and passed over."""
    for outcome in outcomes.poll(POLL_S):
        try:
            yield outcome.verdict()
        except msgspec.DecodeError:
            logger.warning("partition %d, offset %d: not a verdict, skipped", outcome.partition, outcome.offset)
