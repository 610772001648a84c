"""``sluice verdicts``."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sluice.cli.console import emit, say, wants_json
from sluice.cli.options import JsonOption, KafkaOption

if TYPE_CHECKING:
    from sluice.client import Outcome
    from sluice.schema import Verdict


_START: dict[bool, Literal["beginning", "end"]] = {False: "beginning", True: "end"}
"""By whether to follow."""


class DecisionChoice(StrEnum):
    """What can be decided."""

    allow = "allow"
    review = "review"
    block = "block"


def read_verdicts(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for those that come from now on.")] = False,
    decision: Annotated[DecisionChoice | None, typer.Option(help="Only verdicts with this decision.")] = None,
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """Read verdicts: all that are there, or with --follow those that come.

    Example: sluice verdicts --follow --decision block

    Example: sluice verdicts --json | jq -r '[.post_id, .decision] | @tsv'
    """
    from sluice.client import Outcomes
    from sluice.connection import find_connection

    as_json = wants_json(as_json)
    to, start = find_connection(kafka).recognised(), _START[follow]
    with Outcomes(to.kafka, start=start, kinds=("verdict",), timeout_s=to.timeout_s) as outcomes:
        for outcome, verdict in decode(outcomes.follow() if follow else outcomes.read_to_end()):
            if decision is None or verdict.decision == decision.value:
                _show(outcome, verdict, as_json)


def decode(outcomes: Iterator[Outcome]) -> Iterator[tuple[Outcome, Verdict]]:
    """Each with its verdict; one that is none is named and passed over."""
    import msgspec

    for outcome in outcomes:
        try:
            yield outcome, outcome.verdict()
        except msgspec.DecodeError:
            say(f"partition {outcome.partition}, offset {outcome.offset}: not a verdict, skipped")


def _show(outcome: Outcome, verdict: Verdict, as_json: bool) -> None:
    from sluice.cli.render import describe_verdict

    if as_json:
        emit(outcome.verdict_json())
    else:
        say(describe_verdict(verdict))
