"""Errors as responses: every group of endpoints says them in its own shape."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap

from sluice.api.problems import MEDIA_TYPE, ProblemDetails, RequestProblem, describe
from sluice.errors import SluiceError
from sluice.modalities.parts import trace_of

logger = logging.getLogger(__name__)

Render = Callable[[RequestProblem], Any]
"""A problem → the body, as JSON."""
AnyRequest = Request[Any, Any, Any]


def answering(render: Render, media_type: str = "application/json") -> ExceptionHandlersMap:
    """Handlers for a router whose errors look as `render` makes them."""

    def respond(problem: RequestProblem) -> Response[Any]:
        return Response(render(problem), status_code=problem.status, media_type=media_type, headers=problem.headers)

    def known(_: AnyRequest, error: SluiceError) -> Response[Any]:
        return respond(describe(error))

    def refused(_: AnyRequest, error: HTTPException) -> Response[Any]:
        return respond(_from_http(error))

    def unknown(_: AnyRequest, error: Exception) -> Response[Any]:
        logger.error("a request failed: %s\n%s", type(error).__name__, trace_of(error))
        return respond(RequestProblem(500, "internal", "the request could not be answered"))

    def unreadable(_: AnyRequest, error: Exception) -> Response[Any]:
        said = "nested too deeply" if isinstance(error, RecursionError) else "not UTF-8"
        return respond(RequestProblem(400, "invalid", f"the body is {said}"))

    return {
        SluiceError: known,
        HTTPException: refused,
        UnicodeDecodeError: unreadable,  # the framework knows msgspec's own errors alone
        RecursionError: unreadable,
        Exception: unknown,
    }


STATUSES = {
    400: "The request is wrong; the answer says where",
    401: "No valid API key",
    403: "The key has not the scope",
    408: "The body did not arrive in time",
    413: "The body is too large",
    429: "The key's limit, or too many posts are being scored; see Retry-After",
    500: "The request could not be answered",
    503: "The models do not answer, or there is no room; see Retry-After",
    504: "The deadline passed before every part was scored",
}


def declaring(
    body: type, more: Mapping[int, str] | None = None, media_type: str = "application/json"
) -> dict[int, ResponseSpec]:
    """Errors of an endpoint, for the OpenAPI document: `STATUSES` and `more`, all with the same body."""
    return {
        status: ResponseSpec(body, generate_examples=False, description=said, media_type=media_type)
        for status, said in {**STATUSES, **(more or {})}.items()
    }


PROBLEMS = answering(RequestProblem.as_details, MEDIA_TYPE)
"""Those of our own endpoints."""
DECLARED_PROBLEMS = declaring(ProblemDetails, media_type=MEDIA_TYPE)

_CODES = {400: "invalid", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


def _from_http(error: HTTPException) -> RequestProblem:
    """What the framework refused; a wrong body with the place of the mistake, and without its content."""
    detail = error.detail
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        detail = "; ".join(_place(entry) for entry in error.extra) or detail
    code = _CODES.get(error.status_code, "refused")
    return RequestProblem(error.status_code, code, detail, headers=error.headers)


def _place(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    return f"{entry.get('key', 'body')}: {entry.get('message', 'invalid')}"
