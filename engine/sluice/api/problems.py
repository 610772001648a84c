"""What went wrong with a request, and how our own endpoints say so: RFC 9457, Problem Details for HTTP APIs.

Every endpoint that speaks for another service says the same errors in that service's own words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from sluice.api.scoring import DeadlinePassed, Overloaded
from sluice.errors import (
    HashError,
    InferenceUnavailable,
    InvalidPost,
    KafkaUnavailable,
    PolicyError,
    SluiceError,
    WatchError,
)
from sluice.schema import Verdict

RETRY_S = 1.0
"""What a client is asked to wait for where nothing better is known."""
MEDIA_TYPE = "application/problem+json"


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What our own endpoints answer instead of scores (RFC 9457).

    Attributes
    ----------
    title, status, detail
        Of the RFC; `detail` is one line for people, without content.
    code : str
        Few and fixed, for programs.
    verdicts : list of Verdict or None
        Where a deadline passed: of every post of the request, with what was scored by then.
    """

    title: str
    status: int
    detail: str
    code: str
    verdicts: list[Verdict] | None = None


class RequestProblem(SluiceError):
    """A request that is not answered with scores.

    Parameters
    ----------
    status : int
        Of HTTP.
    code : str
        Few and fixed, for programs.
    detail : str
        One line for people, without content.
    retry_after_s : float or None
        When it may succeed.
    fields : dict or None
        More for programs.
    headers : dict or None
        Of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        retry_after_s: float | None = None,
        fields: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = fields or {}
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))  # in whole seconds

    def as_details(self) -> ProblemDetails:
        """As RFC 9457 has it."""
        title = self.code.replace("_", " ")
        return ProblemDetails(
            title=title, status=self.status, detail=self.detail, code=self.code, verdicts=self.fields.get("verdicts")
        )


def describe(error: SluiceError) -> RequestProblem:
    """An error of scoring as a problem of the request."""
    if isinstance(error, RequestProblem):
        return error
    if isinstance(error, InvalidPost):
        return RequestProblem(413 if error.reason == "too_large" else 400, error.reason, error.detail)
    if isinstance(error, Overloaded):
        return RequestProblem(429, "overloaded", str(error), RETRY_S)
    if isinstance(error, DeadlinePassed):
        return RequestProblem(504, "deadline_passed", str(error), fields={"verdicts": list(error.verdicts)})
    if isinstance(error, InferenceUnavailable):
        return RequestProblem(503, "models_unavailable", "the models do not answer; try again", RETRY_S)
    if isinstance(error, WatchError):
        return RequestProblem(400, "invalid_hash" if isinstance(error, HashError) else "invalid_list", str(error))
    if isinstance(error, PolicyError):
        return RequestProblem(400, "invalid_policy", str(error))
    if isinstance(error, KafkaUnavailable):
        return RequestProblem(503, "kafka_unavailable", "Kafka does not answer; try again", RETRY_S)
    return RequestProblem(500, "internal", "the post could not be scored")
