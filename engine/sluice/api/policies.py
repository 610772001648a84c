"""``/v1/policies``: the policies that all workers share, looked at, put in force and taken back over HTTP.

Only where a server follows Kafka, and only for keys with the scope ``policies``: without keys nobody may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import Router, get, post, put
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, QueryParameter
from litestar.types import Guard

from sluice.api.access import CLIENT_STATE, KEYRING_STATE, Connection, needs
from sluice.api.errors import DECLARED_PROBLEMS, PROBLEMS, AnyRequest, declaring
from sluice.api.problems import MEDIA_TYPE, ProblemDetails, RequestProblem
from sluice.errors import PolicyError
from sluice.policies.changes import read_version
from sluice.policies.desk import PolicyDesk, PolicyRow
from sluice.policies.differences import Difference
from sluice.policies.records import Change, TopicState
from sluice.verdict.documents import Document, read_document

DECLARED = declaring(ProblemDetails, {404: "There is no such policy on the topic"}, MEDIA_TYPE)

_CHECK: Guard = needs("policies")


async def _may(connection: Connection, handler: BaseRouteHandler) -> None:
    """Whoever may change policies has a key that says so."""
    if connection.app.state.get(KEYRING_STATE) is None:
        raise RequestProblem(403, "forbidden", "policies are changed with a key only: start the server with --keys")
    await _CHECK(connection, handler)  # type: ignore[misc]


class Policies(msgspec.Struct, frozen=True):
    """Those in force."""

    policies: Sequence[PolicyRow]


class PolicyText(msgspec.Struct, frozen=True):
    """One policy as it was pushed, and the changes that led there, the last first."""

    name: str
    version: int
    document: str
    changes: Sequence[Change]


class Differences(msgspec.Struct, frozen=True):
    """The fields in which two versions of a policy differ, what they inherit included."""

    name: str
    differences: Sequence[Difference]


class InForceNow(msgspec.Struct, frozen=True):
    """What a rollback came to."""

    name: str
    version: int


Note = Annotated[str, QueryParameter(description="Why; the history shows it.", max_length=1000)]


@get("/v1/policies", responses=DECLARED_PROBLEMS, summary="The policies in force")
async def list_policies(desk: NamedDependency[PolicyDesk]) -> Policies:
    """With files and topic, as workers have them that have this server's files."""
    return Policies(await asyncio.to_thread(desk.rows))


@get("/v1/policies/{name:str}", responses=DECLARED, summary="One policy, and its history")
async def show_policy(name: FromPath[str], desk: NamedDependency[PolicyDesk]) -> PolicyText:
    """As YAML. Only those on the topic: files are where the server was started."""
    state = await asyncio.to_thread(desk.read)
    document = _find(state, name)
    return PolicyText(name, document.version, document.text, state.in_force[name].changes)


@get("/v1/policies/{name:str}/diff", responses=DECLARED, summary="In what two versions of a policy differ")
async def diff_policy(
    name: FromPath[str],
    desk: NamedDependency[PolicyDesk],
    before: Annotated[int, QueryParameter(ge=1, description="A version.")],
    after: Annotated[int | None, QueryParameter(ge=1, description="Another; the one in force without it.")] = None,
) -> Differences:
    """See `sluice policy diff`."""
    try:
        return Differences(name, await asyncio.to_thread(desk.differences, name, before, after))
    except PolicyError as error:
        raise RequestProblem(404, "not_found", str(error)) from error


def _find(state: TopicState, name: str) -> Document:
    try:
        return read_version(state, name)
    except PolicyError as error:
        raise RequestProblem(404, "not_found", str(error)) from error


@put("/v1/policies/{name:str}", responses=DECLARED_PROBLEMS, summary="Put a policy in force on every worker")
async def push_policy(
    request: AnyRequest, name: FromPath[str], desk: NamedDependency[PolicyDesk], note: Note = ""
) -> PolicyRow:
    """The body is the policy's YAML, whose name is that of the address. It is checked as `sluice policy push` does."""
    document = await asyncio.to_thread(_read, await request.body(), name)  # a long one would hold up everybody's posts
    (row,) = await asyncio.to_thread(desk.push, [document], _who(request), note)
    return row


def _read(body: bytes, name: str) -> Document:
    try:
        document = read_document(body.decode(), name)
    except UnicodeDecodeError as error:
        raise RequestProblem(400, "invalid", "the body is not UTF-8") from error
    if document.name != name:
        raise RequestProblem(400, "invalid", f"the policy is called {document.name!r}, the address says {name!r}")
    return document


@post(
    "/v1/policies/{name:str}/rollback",
    status_code=200,
    responses=DECLARED_PROBLEMS,
    summary="Put an earlier version in force",
)
async def roll_back_policy(
    request: AnyRequest,
    name: FromPath[str],
    desk: NamedDependency[PolicyDesk],
    to: Annotated[int | None, QueryParameter(ge=1, description="Which version; the one before without it.")] = None,
    note: Note = "",
) -> InForceNow:
    """See `sluice policy rollback`."""
    document = await asyncio.to_thread(desk.roll_back, name, to, _who(request), note)
    return InForceNow(name, document.version)


def _who(request: AnyRequest) -> str:
    """The name of the key."""
    return str(request.state[CLIENT_STATE].name)


ROUTER = Router(
    "/",
    route_handlers=[list_policies, show_policy, diff_policy, push_policy, roll_back_policy],
    guards=[_may],
    exception_handlers=PROBLEMS,
    tags=["Policies"],
)
