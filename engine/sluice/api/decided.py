"""``POST /v1/decisions``: what people decided about posts that have a verdict."""

from __future__ import annotations

import msgspec
from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from sluice.api.access import needs
from sluice.api.errors import PROBLEMS, declaring
from sluice.api.feedback import Feedback
from sluice.api.problems import MEDIA_TYPE, ProblemDetails, RequestProblem
from sluice.human_decision import HumanDecision
from sluice.schema import LABELS

MAX_DECISIONS = 100
DECLARED = declaring(ProblemDetails, {501: "Decisions are not kept here"}, MEDIA_TYPE)


class Kept(msgspec.Struct, frozen=True):
    """How many decisions are kept now."""

    kept: int


@post(
    "/v1/decisions",
    status_code=200,
    guards=[needs("feedback")],
    responses=DECLARED,
    summary="Tell what people decided",
)
async def take_decisions(
    data: JSONBody[HumanDecision | list[HumanDecision]], decisions_kept: NamedDependency[Feedback]
) -> Kept:
    """One decision, or a list of them, onto the topic of decisions. Raises `RequestProblem` for none or too many."""
    decisions = data if isinstance(data, list) else [data]
    if not 1 <= len(decisions) <= MAX_DECISIONS:
        raise RequestProblem(400, "invalid", f"a request takes 1 to {MAX_DECISIONS} decisions, not {len(decisions)}")
    for index, decision in enumerate(decisions):
        if unknown := [label for label in decision.labels if label not in LABELS]:
            raise RequestProblem(400, "invalid", f"decisions[{index}] has {len(unknown)} unknown labels")
    for decision in decisions:
        await decisions_kept.keep(decision, decision.post_id.encode())
    return Kept(len(decisions))


ROUTER = Router("/", route_handlers=[take_decisions], exception_handlers=PROBLEMS)
