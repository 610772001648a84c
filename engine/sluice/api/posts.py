"""``POST /v1/posts``: our own messages over HTTP."""

from __future__ import annotations

import uuid
from typing import Annotated

import msgspec
from litestar import Router, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import JSONBody, MultipartBody, QueryParameter

from sluice.api.access import admit, needs
from sluice.api.errors import DECLARED_PROBLEMS, PROBLEMS, AnyRequest
from sluice.api.media import check_uri
from sluice.api.problems import RequestProblem
from sluice.api.scoring import MAX_POSTS, ScoringService
from sluice.schema import LABELS, Id, Media, Post, Verdict
from sluice.verdict.policy import Policy, Thresholds

MAX_LISTED = 256

InFull = Annotated[bool, QueryParameter(description="All models read the text: for who needs its scores.")]


class PostRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A post as over Kafka, but that its id may be left out. Unknown fields are ignored.

    Attributes
    ----------
    images, audio : tuple of Media
        ``https:``, ``http:`` or ``data:`` (base64).
    deadline_ms : int or None
        Milliseconds from the request to the verdict.
    """

    id: Id | None = None
    author_id: str | None = None
    surface: str | None = None
    tenant: str | None = None
    market: str | None = None
    author_standing: str | None = None
    text: str | None = None
    images: Annotated[tuple[Media, ...], msgspec.Meta(max_length=MAX_LISTED)] = ()
    audio: Annotated[tuple[Media, ...], msgspec.Meta(max_length=MAX_LISTED)] = ()
    deadline_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000)] | None = None


class UploadedPost(msgspec.Struct, frozen=True, kw_only=True):
    """A form with files."""

    text: str = ""
    images: list[UploadFile] = []
    audio: list[UploadFile] = []


class Verdicts(msgspec.Struct, frozen=True):
    """One per post, in their order."""

    verdicts: list[Verdict]


@post(
    "/v1/posts",
    status_code=200,
    guards=[needs("score")],
    responses=DECLARED_PROBLEMS,
    summary="Score one post, or several",
)
async def score_posts(
    request: AnyRequest,
    data: JSONBody[PostRequest | list[PostRequest]],
    service: NamedDependency[ScoringService],
    in_full: InFull = False,
) -> Verdict | Verdicts:
    """One verdict for one post; for a list of posts a list of verdicts, in their order.

    Raises `RequestProblem` for none or too many.
    """
    wanted = data if isinstance(data, list) else [data]
    if not 1 <= len(wanted) <= MAX_POSTS:
        raise RequestProblem(400, "invalid", f"a request takes 1 to {MAX_POSTS} posts, not {len(wanted)}")
    posts = [make_post(each, f"posts[{index}]") for index, each in enumerate(wanted)]
    admit(request, len(posts))
    verdicts = await service.score_all(posts, in_full=in_full)
    return Verdicts(verdicts) if isinstance(data, list) else verdicts[0]


@post(
    "/v1/posts:upload",
    status_code=200,
    guards=[needs("score")],
    responses=DECLARED_PROBLEMS,
    summary="Score one post with files",
)
async def score_upload(
    request: AnyRequest,
    data: MultipartBody[UploadedPost],
    service: NamedDependency[ScoringService],
    in_full: InFull = False,
) -> Verdict:
    """The form's fields: ``text``, and any number of files ``images`` and ``audio``."""
    wanted = Post(
        id=str(uuid.uuid4()),
        text=data.text or None,
        images=tuple([Media.inline(await file.read(), file.content_type) for file in data.images]),
        audio=tuple([Media.inline(await file.read(), file.content_type) for file in data.audio]),
    )
    _require_part(wanted, "the form")
    admit(request, 1)
    return (await service.score_all([wanted], in_full=in_full))[0]


@get("/v1/policy", guards=[needs("score")], responses=DECLARED_PROBLEMS, summary="The policy in force")
async def show_policy(service: NamedDependency[ScoringService]) -> Policy:
    """Which scores mean review or block; with every label, also those that never decide."""
    labels = {label: service.policy.labels.get(label, Thresholds()) for label in LABELS}
    return msgspec.structs.replace(service.policy, labels=labels)


def make_post(wanted: PostRequest, where: str) -> Post:
    """The post that a request describes; raises `RequestProblem` for one that is none."""
    made = Post(
        id=wanted.id or str(uuid.uuid4()),
        author_id=wanted.author_id,
        surface=wanted.surface,
        tenant=wanted.tenant,
        market=wanted.market,
        author_standing=wanted.author_standing,
        text=wanted.text,
        images=tuple(check_uri(each.uri, f"{where}.images[{n}]") for n, each in enumerate(wanted.images)),
        audio=tuple(check_uri(each.uri, f"{where}.audio[{n}]") for n, each in enumerate(wanted.audio)),
        deadline_ms=wanted.deadline_ms,
    )
    _require_part(made, where)
    return made


def _require_part(made: Post, where: str) -> None:
    if not (made.text or made.images or made.audio):
        raise RequestProblem(400, "invalid", f"{where} has no text, no images and no audio")


ROUTER = Router(
    "/", route_handlers=[score_posts, score_upload, show_policy], exception_handlers=PROBLEMS, tags=["Sluice"]
)
