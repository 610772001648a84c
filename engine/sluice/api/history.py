"""``/v1/reports`` takes what users report, ``/v1/history`` says what is known of an author.

Only where a server follows Kafka; the second only with a history, and for keys with the scope ``history``: without keys
nobody may ask.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, QueryParameter
from litestar.types import Guard

from sluice.api.access import KEYRING_STATE, Connection, needs
from sluice.api.errors import DECLARED_PROBLEMS, PROBLEMS
from sluice.api.problems import RequestProblem
from sluice.client.reports import Report, ReportPublisher
from sluice.history.counts import Moment
from sluice.history.events import to_ms
from sluice.history.remembered import RememberedAuthors
from sluice.schema import AuthorHistory

_CHECK: Guard = needs("history")


async def _may(connection: Connection, handler: BaseRouteHandler) -> None:
    """Whoever asks what somebody did has a key that says so."""
    if connection.app.state.get(KEYRING_STATE) is None:
        raise RequestProblem(403, "forbidden", "authors are asked about with a key only: start the server with --keys")
    await _CHECK(connection, handler)  # type: ignore[misc]


class Taken(msgspec.Struct, frozen=True):
    """A report that Kafka has."""

    id: str


Name = Annotated[str, QueryParameter(min_length=1, max_length=256)]
Tenant = Annotated[str | None, QueryParameter(min_length=1, max_length=256)]


@post(
    "/v1/reports", guards=[needs("reports")], status_code=202, responses=DECLARED_PROBLEMS, summary="Report an author"
)
async def report(data: JSONBody[Report], reports: NamedDependency[ReportPublisher]) -> Taken:
    """Published to the reports topic, where every worker counts it. The same `id` again counts once."""
    await asyncio.to_thread(reports.publish, data)
    return Taken(data.id)


@get("/v1/history", guards=[_may], responses=DECLARED_PROBLEMS, summary="What is known of an author")
async def show(
    author: Name, authors: NamedDependency[RememberedAuthors | None], tenant: Tenant = None
) -> AuthorHistory:
    """As rules would see it for a post that is published now; raises `RequestProblem` where no history is kept."""
    if authors is None:
        raise RequestProblem(501, "not_kept", "no history is kept here: SLUICE_HISTORY_KEY is not set")
    return authors.count(tenant, author, Moment(to_ms(time.time())))


ROUTER = Router("/", route_handlers=[report, show], exception_handlers=PROBLEMS, tags=["Authors"])
