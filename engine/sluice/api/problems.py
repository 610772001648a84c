"""What went wrong with a request, and how our own endpoints say so: RFC 9457, Problem Details for HTTP APIs.

Every endpoint that speaks for another service says the same errors in that service's own words.
"""

from __future__ import annotations

import math
from typing import Any

from sluice.api.scoring import DeadlinePassed, Overloaded
from sluice.errors import InferenceUnavailable, InvalidPost, SluiceError

RETRY_S = 1.0
"""What a client is asked to wait for where nothing better is known."""
MEDIA_TYPE = "application/problem+json"


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
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        retry_after_s: float | None = None,
        fields: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.fields = fields or {}

    @property
    def headers(self) -> dict[str, str]:
        """``Retry-After`` where it helps, in whole seconds."""
        return {} if self.retry_after_s is None else {"Retry-After": str(max(1, math.ceil(self.retry_after_s)))}

    def as_json(self) -> dict[str, Any]:
        """As RFC 9457 has it."""
        said = {"type": "about:blank", "title": self.code.replace("_", " "), "status": self.status}
        return {**said, "detail": self.detail, "code": self.code, **self.fields}


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
    return RequestProblem(500, "internal", "the post could not be scored")
