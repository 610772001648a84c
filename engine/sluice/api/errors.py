"""Errors as responses: every group of endpoints says them in its own shape."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from sluice.api.problems import MEDIA_TYPE, RequestProblem, describe
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

    return {SluiceError: known, HTTPException: refused, Exception: unknown}


PROBLEMS = answering(RequestProblem.as_json, MEDIA_TYPE)
"""Those of our own endpoints."""

_CODES = {400: "invalid", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


def _from_http(error: HTTPException) -> RequestProblem:
    """What the framework refused; a wrong body with the place of the mistake, and without its content."""
    detail = error.detail
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        detail = "; ".join(_place(entry) for entry in error.extra) or detail
    return RequestProblem(error.status_code, _CODES.get(error.status_code, "refused"), detail)


def _place(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    return f"{entry.get('key', 'body')}: {entry.get('message', 'invalid')}"
