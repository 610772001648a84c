"""The HTTP application: its routes, and what they share."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Litestar, Request, Response, Router, get
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import Message
from litestar.types import Scope as AsgiScope
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from sluice import __version__
from sluice.api import (
    azure,
    decided,
    explanations,
    hashes,
    history,
    jobs,
    lists,
    openai,
    page,
    perspective,
    policies,
    posts,
)
from sluice.api.access import KEYRING_STATE, needs
from sluice.api.config import ApiConfig
from sluice.api.discovery import show_discovery
from sluice.api.errors import PROBLEMS
from sluice.api.explanations import Explainer
from sluice.api.feedback import Feedback
from sluice.api.intake import Bodies
from sluice.api.keys import KeyRing
from sluice.api.reference import show_document, show_reference
from sluice.api.scoring import ScoringService
from sluice.api.traces import tracing
from sluice.client.reports import ReportPublisher
from sluice.errors import InferenceUnavailable
from sluice.history.remembered import RememberedAuthors
from sluice.jobs.desk import JobDesk
from sluice.policies.desk import PolicyDesk
from sluice.tracing import UNTRACED, Tracer
from sluice.watching.hashes import BankDesk
from sluice.watching.lists import ListDesk

REQUEST_ID = "x-request-id"
MAX_REQUEST_ID = 128


@get("/livez", media_type="text/plain", include_in_schema=False)
async def alive() -> str:
    """While the process runs."""
    return "alive\n"


@get("/readyz", media_type="text/plain", include_in_schema=False)
async def ready(service: NamedDependency[ScoringService]) -> Response[str]:
    """200 while the models answer."""
    try:
        await service.confirm()
    except InferenceUnavailable as error:
        return Response(f"{error}\n", status_code=503)
    return Response("ready\n")


@get("/metrics", guards=[needs("metrics")], include_in_schema=False)
async def metrics(registry: NamedDependency[CollectorRegistry]) -> Response[bytes]:
    """For Prometheus."""
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


_OWN = Router(
    "/",
    route_handlers=[alive, ready, metrics, show_document, show_reference, show_discovery],
    exception_handlers=PROBLEMS,
)


def make_app(
    config: ApiConfig,
    service: ScoringService,
    registry: CollectorRegistry,
    ring: KeyRing | None,
    feedback: Feedback,
    desk: PolicyDesk | None = None,
    tracer: Tracer = UNTRACED,
    decisions: Feedback | None = None,
    lists_desk: ListDesk | None = None,
    reports: ReportPublisher | None = None,
    authors: RememberedAuthors | None = None,
    banks_desk: BankDesk | None = None,
    explainer: Explainer | None = None,
    job_desk: JobDesk | None = None,
) -> Litestar:
    """Put the application together.

    Parameters
    ----------
    ring : KeyRing or None
        Whose keys may call; None lets everybody.
    desk : PolicyDesk or None
        Where policies are changed; None has no endpoints for it.
    reports : ReportPublisher or None
        Where reports go; None has no endpoints for authors.
    authors : RememberedAuthors or None
        What is known of them, where anything is.
    explainer : Explainer or None
        Says what was decided about a post; None has no endpoint for it.
    job_desk : JobDesk or None
        Runs commands for who asks, and is closed with the application; None has no endpoints for it.
    tracer : Tracer
        Makes a span of each request.
    decisions : Feedback or None
        Keeps what people decide about posts; None refuses it.
    lists_desk, banks_desk : ListDesk or None, BankDesk or None
        Where lists and banks of hashes are changed; None has no endpoints for it.
    """
    shared: dict[str, Any] = {"service": service, "registry": registry, "feedback": feedback}
    shared["decisions_kept"] = decisions or Feedback()
    routers = [_OWN, page.ROUTER, posts.ROUTER, decided.ROUTER, openai.ROUTER, perspective.ROUTER, azure.ROUTER]
    if desk is not None:
        shared["desk"] = desk
        routers.append(policies.ROUTER)
    if lists_desk is not None:
        shared["lists_desk"] = lists_desk
        routers.append(lists.ROUTER)
    if banks_desk is not None:
        shared["banks_desk"] = banks_desk
        routers.append(hashes.ROUTER)
    if explainer is not None:
        shared["explainer"] = explainer
        routers.append(explanations.ROUTER)
    if job_desk is not None:
        shared |= {"jobs": job_desk, "places": config.places}
        routers.append(jobs.ROUTER)
    if reports is not None:
        shared |= {"reports": reports, "authors": authors}
        routers.append(history.ROUTER)
    return Litestar(
        route_handlers=routers,
        dependencies={name: Provide(_giving(value), sync_to_thread=False) for name, value in shared.items()},
        state=State({KEYRING_STATE: ring}),
        exception_handlers=PROBLEMS,
        middleware=[tracing(tracer), Bodies(config.max_bodies_bytes, config.body_timeout_s).around],
        cors_config=_cross_origin(config.cors_origins),
        request_max_body_size=config.max_body_bytes,
        openapi_config=_describe(),
        before_send=[_name_request],
        on_shutdown=[job_desk.close] if job_desk else [],
        logging_config=None,
    )


def _describe() -> OpenAPIConfig:
    """What the OpenAPI document is made with. The framework's own pages would load scripts from elsewhere."""
    return OpenAPIConfig(
        title="Sluice",
        version=__version__,
        openapi_router=Router("/schema", route_handlers=[], guards=[needs("score")], include_in_schema=False),
        render_plugins=[JsonRenderPlugin()],
        use_handler_docstrings=True,
    )


def _cross_origin(origins: tuple[str, ...]) -> CORSConfig | None:
    """Pages of these origins may call, and read what errors say about when to come back."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins), allow_methods=["GET", "POST"], expose_headers=["Retry-After", REQUEST_ID]
    )


def _giving(value: Any) -> Any:
    def give() -> Any:
        return value

    return give


async def _name_request(message: Message, scope: AsgiScope) -> None:
    """Every answer has a request's id: the caller's, if it sent one that is short and printable."""
    if message["type"] != "http.response.start":
        return
    given = Request[Any, Any, Any](scope).headers.get(REQUEST_ID, "")
    usable = 0 < len(given) <= MAX_REQUEST_ID and given.isascii() and given.isprintable()
    request_id = given if usable else uuid.uuid4().hex
    message.setdefault("headers", [])
    message["headers"] = [*message["headers"], (REQUEST_ID.encode(), request_id.encode())]
