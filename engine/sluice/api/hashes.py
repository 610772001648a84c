"""``/v1/hashes``: the banks of hashes that all workers look for, looked at and changed over HTTP.

Only where a server follows Kafka, and only for keys with the scope ``hashes``: without keys nobody may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Response, Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from sluice.api.errors import DECLARED_PROBLEMS, PROBLEMS, AnyRequest
from sluice.api.watching import DECLARED, JSON_LINES, Gone, History, Note, finding, who, with_key_for
from sluice.errors import HashError
from sluice.hashes.bank import Bank, without
from sluice.hashes.files import Form, read_bank, with_settings, write_bank
from sluice.watching.desk import WatchRow
from sluice.watching.hashes import BankDesk
from sluice.watching.records import Change


class Banks(msgspec.Struct, frozen=True):
    """Those on the topic."""

    banks: Sequence[WatchRow]


Negative = Annotated[bool | None, QueryParameter(description="What it holds matches nothing.")]
Distance = Annotated[int | None, QueryParameter(ge=0, le=31, description="Bits in which PDQ hashes may differ.")]
Quality = Annotated[int | None, QueryParameter(ge=0, le=100, description="The least of a picture's PDQ hash.")]


@get("/v1/hashes", responses=DECLARED_PROBLEMS, summary="The banks of hashes that are looked for")
async def list_banks(banks_desk: NamedDependency[BankDesk]) -> Banks:
    """Those on the topic: files are where the server was started."""
    return Banks(await asyncio.to_thread(banks_desk.rows))


@get("/v1/hashes/{name:str}", responses=DECLARED, summary="The hashes of a bank")
async def export_bank(
    name: FromPath[str],
    banks_desk: NamedDependency[BankDesk],
    form: Annotated[Form, QueryParameter(name="format")] = "csv",
) -> Response[bytes]:
    """As CSV, or as ThreatExchange or Hasher-Matcher-Actioner exchange it."""
    bank = await finding(banks_desk.show, name)
    content = await asyncio.to_thread(lambda: b"\n".join(write_bank(bank, form)) + b"\n")
    types = {"csv": "text/csv", "threatexchange": "application/json", "hma": JSON_LINES}
    return Response(content, media_type=types[form])


@get("/v1/hashes/{name:str}/history", responses=DECLARED, summary="What was done to a bank")
async def show_bank_history(name: FromPath[str], banks_desk: NamedDependency[BankDesk]) -> History:
    """The last hundred changes, also of a bank that was removed."""
    return History(name, await finding(banks_desk.history, name))


@put("/v1/hashes/{name:str}", responses=DECLARED_PROBLEMS, summary="Put a bank in the place of what is there")
async def push_bank(
    request: AnyRequest,
    name: FromPath[str],
    banks_desk: NamedDependency[BankDesk],
    negative: Negative = None,
    distance: Distance = None,
    quality: Quality = None,
    note: Note = "",
) -> WatchRow:
    """The body is CSV, or what ThreatExchange or HMA exchange; `HashError` without a hash."""
    given: dict[str, Any] = {"is_negative": negative, "distance": distance, "quality": quality}
    bank = with_settings(await asyncio.to_thread(read_bank, await request.body(), name), given)
    if not len(bank):
        raise HashError(f"{name}: the body has no hash; DELETE removes a bank")
    return await asyncio.to_thread(banks_desk.change, name, "push", lambda _: bank, who(request), note)


@post("/v1/hashes/{name:str}/entries", status_code=200, responses=DECLARED_PROBLEMS, summary="Add hashes to a bank")
async def add_hashes(
    request: AnyRequest, name: FromPath[str], banks_desk: NamedDependency[BankDesk], note: Note = ""
) -> WatchRow:
    """The body is as for a bank; how the bank is matched stays."""
    new = await asyncio.to_thread(read_bank, await request.body(), name)
    return await asyncio.to_thread(banks_desk.change, name, "add", new.added_to, who(request), note)


@post("/v1/hashes/{name:str}/remove", status_code=200, responses=DECLARED, summary="Take hashes from a bank")
async def take_hashes(
    request: AnyRequest,
    name: FromPath[str],
    data: JSONBody[Gone],
    banks_desk: NamedDependency[BankDesk],
    note: Note = "",
) -> WatchRow:
    """Of whatever kind, in hexadecimal; all of them have to be there."""
    await finding(banks_desk.show, name)

    def edit(there: Bank) -> Bank:
        return without(there, data.values)

    return await asyncio.to_thread(banks_desk.change, name, "take", edit, who(request), note)


@delete("/v1/hashes/{name:str}", status_code=200, responses=DECLARED, summary="Remove a bank")
async def remove_bank(
    request: AnyRequest, name: FromPath[str], banks_desk: NamedDependency[BankDesk], note: Note = ""
) -> Change:
    """Its hashes leave the topic; what was done to it stays in its history."""
    return await finding(lambda name: banks_desk.remove(name, who(request), note), name)


ROUTER = Router(
    "/",
    route_handlers=[list_banks, export_bank, show_bank_history, push_bank, add_hashes, take_hashes, remove_bank],
    guards=[with_key_for("hashes")],
    exception_handlers=PROBLEMS,
    tags=["Hashes"],
)
