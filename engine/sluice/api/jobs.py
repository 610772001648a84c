"""``/v1/jobs``: commands that take a while, asked for over HTTP; each runs in a process of its own, behind the scoring.

Only where a server follows Kafka, and only for keys with the scope of what is asked for: without keys nobody may. What
a job came to is read with the same scope.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from litestar import MediaType, Response, Router, delete, get, post
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from litestar.response import File

from sluice.api.access import CLIENT_STATE
from sluice.api.errors import DECLARED_PROBLEMS, PROBLEMS, AnyRequest, declaring
from sluice.api.keys import Client, Scope
from sluice.api.media import check_uri
from sluice.api.page import SHARED_HEADERS
from sluice.api.problems import MEDIA_TYPE, ProblemDetails, RequestProblem
from sluice.api.watching import who, with_key_for
from sluice.jobs.desk import Job, JobDesk, State, TooManyJobs
from sluice.jobs.order import RESULT, KindName, OrderRefused
from sluice.jobs.requests import REQUESTS, JobRequest, Places

SCOPES: Mapping[KindName, Scope] = {
    "backtest": "backtest",
    "shadow": "backtest",
    "drift": "statistics",
    "decision-report": "statistics",
    "label-export": "statistics",
    "calibration": "statistics",
    "audit-check": "audit",
    "audit-status": "audit",
    "erasure": "erase",
    "transparency-export": "transparency",
}
RETRY_S = 30.0
MAX_BODY_BYTES = 2**20
"""What waits is kept in memory."""
PATH, OCTETS = "/v1/jobs", "application/octet-stream"
LOCATION = ResponseHeader(name="Location", description="Where the job is.", documentation_only=True)
DECLARED = declaring(ProblemDetails, {404: "There is no such job, or no such thing of it"}, MEDIA_TYPE)
PAGE_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
"""The page allows less itself: its own style alone, by its hash."""


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is.

    Attributes
    ----------
    by : str
        The name of the key that asked for it.
    asked_at, began_at, ended_at : str or None
        RFC 3339, UTC.
    progress : str
        The last line that the command said.
    passed : bool or None
        Whether everything is as it should be: guards kept, the index within its limit, the log whole, nothing left of
        somebody. None until it has ended.
    error : str or None
        Why it failed.
    page, file : str or None
        Where a page to look at, or a file to take along, is.
    """

    id: str
    kind: KindName
    state: State
    by: str
    asked_at: str
    began_at: str | None
    ended_at: str | None
    progress: str
    passed: bool | None
    error: str | None
    page: str | None
    file: str | None


class JobDetails(JobStatus, frozen=True, kw_only=True):
    """The same, with the figures that the command printed."""

    result: Any = None


class Jobs(msgspec.Struct, frozen=True):
    """Those that the key may see, the last first."""

    jobs: Sequence[JobStatus]


def describe(job: Job) -> JobStatus:
    """A job as its answer says it."""
    place = f"{PATH}/{job.id}"
    return JobStatus(
        id=job.id,
        kind=job.kind,
        state=job.state,
        by=job.by,
        asked_at=_time(job.asked_s) or "",
        began_at=_time(job.began_s),
        ended_at=_time(job.ended_s),
        progress=job.said.last,
        passed=job.exit_code == 0 if job.state == "done" else None,
        error=job.error or None,
        page=f"{place}/page" if job.path(job.page) else None,
        file=f"{place}/file" if job.path(job.file) else None,
    )


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _start(request: AnyRequest, asked: JobRequest, desk: JobDesk, places: Places) -> Response[JobStatus]:
    for where, uri in asked.media():
        check_uri(uri, where)
    try:
        await asyncio.to_thread(asked.check)  # a long policy would hold up everybody's posts
        job = desk.submit(asked.order(places), who(request))
    except OrderRefused as error:
        raise RequestProblem(400, "invalid", str(error)) from error
    except TooManyJobs as error:
        raise RequestProblem(429, "too_many_jobs", str(error), RETRY_S) from error
    return Response(describe(job), status_code=202, headers={"Location": f"{PATH}/{job.id}"})


def _starting(kind: KindName, path: str, summary: str) -> HTTPRouteHandler:
    """The endpoint that takes orders of a kind."""
    asked = REQUESTS[kind]

    async def start(
        request: AnyRequest, data: Any, jobs: NamedDependency[JobDesk], places: NamedDependency[Places]
    ) -> Response[JobStatus]:
        return await _start(request, data, jobs, places)

    start.__name__ = f"start_{kind.replace('-', '_')}"
    start.__doc__ = asked.__doc__
    body: Any = JSONBody  # of which type is known only now
    start.__annotations__["data"] = body[asked]
    guards, declared = [with_key_for(SCOPES[kind])], DECLARED_PROBLEMS
    return post(path, status_code=202, guards=guards, responses=declared, response_headers=[LOCATION], summary=summary)(
        start
    )


STARTING = (
    _starting("backtest", "/v1/backtests", "Try policies on verdicts of the past"),
    _starting("shadow", "/v1/shadows", "Judge live posts by other policies or models as well, for a time"),
    _starting("drift", "/v1/drifts", "Whether posts have changed"),
    _starting("decision-report", "/v1/decision-reports", "How often people overrule verdicts"),
    _starting("label-export", "/v1/label-exports", "What people decided, as labels"),
    _starting("calibration", "/v1/calibrations", "Thresholds by what people decided"),
    _starting("audit-check", "/v1/audit-checks", "Whether an audit log is whole"),
    _starting("audit-status", "/v1/audit-statuses", "How far an audit log is"),
    _starting("erasure", "/v1/erasures", "Erase an author or a post everywhere"),
    _starting("transparency-export", "/v1/transparency-exports", "Statements of reasons and figures for the law"),
)


@get(PATH, responses=DECLARED_PROBLEMS, summary="Jobs, the last first")
async def list_jobs(request: AnyRequest, jobs: NamedDependency[JobDesk]) -> Jobs:
    """Those of the kinds that the key has the scopes for."""
    return Jobs([describe(job) for job in jobs.jobs() if _may_see(request, job)])


@get(f"{PATH}/{{job_id:str}}", responses=DECLARED, summary="How far a job is, and what it came to")
async def show_job(request: AnyRequest, job_id: FromPath[str], jobs: NamedDependency[JobDesk]) -> JobDetails:
    """The result is what the command prints with `--json`."""
    job = _find(request, job_id, jobs)
    read = msgspec.Raw(await _read(job.path(RESULT))) if job.has_result and job.has_ended else None
    return JobDetails(**msgspec.structs.asdict(describe(job)), result=read)


@get(f"{PATH}/{{job_id:str}}/page", media_type=MediaType.HTML, responses=DECLARED, summary="The page of a job")
async def show_page(request: AnyRequest, job_id: FromPath[str], jobs: NamedDependency[JobDesk]) -> Response[bytes]:
    """To look at; it loads nothing and runs nothing."""
    job = _find(request, job_id, jobs)
    headers = {**SHARED_HEADERS, "Content-Security-Policy": PAGE_POLICY}
    return Response(await _read(job.path(job.page)), media_type=MediaType.HTML, headers=headers)


@get(f"{PATH}/{{job_id:str}}/file", media_type=OCTETS, responses=DECLARED, summary="The file of a job")
async def take_file(request: AnyRequest, job_id: FromPath[str], jobs: NamedDependency[JobDesk]) -> File:
    """To take along, under the name that its command has for it."""
    job = _find(request, job_id, jobs)
    return File(_existing(job.path(job.file)), filename=job.file, media_type=OCTETS, headers=SHARED_HEADERS)


@delete(f"{PATH}/{{job_id:str}}", status_code=200, responses=DECLARED, summary="End a job, or forget one")
async def end_job(request: AnyRequest, job_id: FromPath[str], jobs: NamedDependency[JobDesk]) -> JobStatus:
    """One that runs ends as with Ctrl-C, and the answer waits for it; one that has ended is removed, with its files."""
    job = _find(request, job_id, jobs)
    await jobs.cancel(job)
    return describe(job)


def _find(request: AnyRequest, job_id: str, jobs: JobDesk) -> Job:
    job = jobs.find(job_id)
    if job is None:
        raise RequestProblem(404, "not_found", "there is no such job, or no longer")
    if not _may_see(request, job):
        raise RequestProblem(403, "forbidden", f"the key has no scope {SCOPES[job.kind]!r}")
    return job


def _may_see(request: AnyRequest, job: Job) -> bool:
    client: Client = request.state[CLIENT_STATE]
    return SCOPES[job.kind] in client.scopes


async def _read(file: Path | None) -> bytes:
    try:
        return await asyncio.to_thread(_existing(file).read_bytes)
    except FileNotFoundError as error:
        raise RequestProblem(404, "not_found", "the job was removed") from error


def _existing(file: Path | None) -> Path:
    if file is None:
        raise RequestProblem(404, "not_found", "the job has no such thing, or not yet")
    return file


_READING = Router(
    "/",
    route_handlers=[list_jobs, show_job, show_page, take_file, end_job],
    guards=[with_key_for(*dict.fromkeys(SCOPES.values()))],
)
ROUTER = Router(
    "/",
    route_handlers=[*STARTING, _READING],
    exception_handlers=PROBLEMS,
    request_max_body_size=MAX_BODY_BYTES,
    tags=["Jobs"],
)
