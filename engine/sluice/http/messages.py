"""Posts as requests, and responses as verdicts or errors: the same for both clients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import msgspec

from sluice.http.errors import ApiError, ApiLate, ApiRefused, ApiUnavailable
from sluice.schema import Post, Verdict

PATH = "/v1/posts"
MAX_POSTS = 100
"""That a server takes in one request."""
TRY_AGAIN = (408, 425, 429, 502, 503)
"""What may be answered otherwise a moment later; 502 is a proxy's, whose server is being restarted."""
LATE = 504


class _Verdicts(msgspec.Struct, frozen=True):
    verdicts: tuple[Verdict, ...] = ()


class _Problem(msgspec.Struct, frozen=True):
    code: str = "unexpected"
    detail: str = "no detail"
    verdicts: tuple[Verdict, ...] = ()


def make_options(address: str, key: str | None, timeout_s: float, in_full: bool) -> dict[str, Any]:
    """How httpx's client is set up."""
    asked = {"in_full": "true"} if in_full else {}
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"Authorization": f"Bearer {key}"})
    return {"base_url": address.rstrip("/"), "headers": headers, "params": asked, "timeout": timeout_s}


def split(posts: Sequence[Post]) -> Iterator[bytes]:
    """Bodies of requests that have the posts scored, in their order."""
    for start in range(0, len(posts), MAX_POSTS):
        yield msgspec.json.encode(posts[start : start + MAX_POSTS])


def read_verdicts(response: httpx.Response) -> tuple[Verdict, ...]:
    """The verdicts in a response, in the posts' order.

    Raises
    ------
    ApiError
        The response says why there are none.
    """
    if response.status_code != httpx.codes.OK:
        raise read_error(response)
    try:
        return msgspec.json.decode(response.content, type=_Verdicts).verdicts
    except msgspec.DecodeError as error:
        raise ApiError(response.status_code, "unexpected", f"the answer holds no verdicts: {error}") from error


def read_error(response: httpx.Response) -> ApiError:
    """What a response without verdicts says."""
    status, problem = response.status_code, _read_problem(response)
    if status == LATE:
        return ApiLate(status, problem.code, problem.detail, problem.verdicts)
    if status in TRY_AGAIN:
        return ApiUnavailable(status, problem.code, problem.detail, _read_pause(response))
    kind = ApiRefused if response.is_client_error else ApiError
    return kind(status, problem.code, problem.detail)


def unreachable(error: httpx.TransportError) -> ApiUnavailable:
    """What a connection without an answer means; without the address, which may hold a password."""
    return ApiUnavailable(0, "unreachable", f"no answer: {type(error).__name__}", None)


def _read_problem(response: httpx.Response) -> _Problem:
    try:
        return msgspec.json.decode(response.content, type=_Problem)
    except msgspec.DecodeError:  # a proxy's page
        return _Problem(detail=f"HTTP status {response.status_code}")


def _read_pause(response: httpx.Response) -> float | None:
    """Seconds that ``Retry-After`` names; None for none, and for a date."""
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdigit() else None
