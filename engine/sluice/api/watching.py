"""What ``/v1/lists`` and ``/v1/hashes`` share: who may, and what is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import msgspec
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from litestar.types import Guard

from sluice.api.access import CLIENT_STATE, KEYRING_STATE, Connection, needs
from sluice.api.errors import AnyRequest, declaring
from sluice.api.keys import Scope
from sluice.api.problems import MEDIA_TYPE, ProblemDetails, RequestProblem
from sluice.errors import WatchError
from sluice.watching.records import Change

DECLARED = declaring(ProblemDetails, {404: "There is nothing of this name on the topic"}, MEDIA_TYPE)
JSON_LINES = "application/x-ndjson"
T = TypeVar("T")


class History(msgspec.Struct, frozen=True):
    """What was done to a name, the last first."""

    name: str
    changes: Sequence[Change]


class Gone(msgspec.Struct, frozen=True):
    """Values whose entries are to go."""

    values: Sequence[str]


Note = Annotated[str, QueryParameter(description="Why; the history shows it.", max_length=1000)]


def with_key_for(*scopes: Scope) -> Guard:
    """Lets those pass whose key has one of these scopes; others, and all without keys, get 403 (`RequestProblem`)."""
    check: Guard = needs(*scopes)

    async def may(connection: Connection, handler: BaseRouteHandler) -> None:
        if connection.app.state.get(KEYRING_STATE) is None:
            detail = "this is seen and changed with a key only: start the server with --keys"
            raise RequestProblem(403, "forbidden", detail)
        await check(connection, handler)  # type: ignore[misc]

    return may


async def finding(read: Callable[[str], T], name: str) -> T:
    """What a name holds, read on a thread.

    Raises
    ------
    RequestProblem
        404: there is nothing of this name.
    """
    try:
        return await asyncio.to_thread(read, name)
    except WatchError as error:
        raise RequestProblem(404, "not_found", str(error)) from error


def who(request: AnyRequest) -> str:
    """The name of the key."""
    return str(request.state[CLIENT_STATE].name)
