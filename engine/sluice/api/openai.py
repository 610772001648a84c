"""``POST /v1/moderations``: OpenAI's moderation endpoint, scored by our models and decided by our policy.

Request and response as in https://platform.openai.com/docs/api-reference/moderations.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Literal

import msgspec
from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from sluice.api.access import admit, needs
from sluice.api.errors import AnyRequest, answering, declaring
from sluice.api.media import check_uri
from sluice.api.problems import RequestProblem
from sluice.api.scoring import MAX_POSTS, ScoringService
from sluice.schema import Post, Verdict

AppliedInput = Literal["text", "image"]


@dataclass(frozen=True, slots=True)
class Category:
    """One of OpenAI's categories in our labels.

    Attributes
    ----------
    labels : tuple of str
        Which have all to hold: the score is the lowest of theirs, and the category is flagged if the policy has a
        reason for each. Empty for what no label says: never flagged, score 0, no applied input.
    inputs : tuple of str
        What OpenAI applies the category to.
    """

    labels: tuple[str, ...]
    inputs: tuple[AppliedInput, ...] = ("text",)


_BOTH: tuple[AppliedInput, ...] = ("text", "image")
CATEGORIES = {
    "harassment": Category(("harassment",)),
    "harassment/threatening": Category(("harassment", "threat")),
    "hate": Category(("hate",)),
    "hate/threatening": Category(("hate", "threat")),
    "illicit": Category(("illicit",)),
    "illicit/violent": Category(("illicit", "weapons")),
    "self-harm": Category(("self_harm",), _BOTH),
    "self-harm/intent": Category((), _BOTH),
    "self-harm/instructions": Category((), _BOTH),
    "sexual": Category(("sexual",), _BOTH),
    "sexual/minors": Category(()),
    "violence": Category(("violence",), _BOTH),
    "violence/graphic": Category((), _BOTH),
}
"""All 13, in OpenAI's order."""


class TextPart(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """A text among other parts."""

    text: str


class ImageUrl(msgspec.Struct, frozen=True):
    """An address, or the picture itself as ``data:``."""

    url: str


class ImagePart(msgspec.Struct, frozen=True, tag_field="type", tag="image_url"):
    """A picture among other parts."""

    image_url: ImageUrl


class ModerationRequest(msgspec.Struct, frozen=True):
    """A text, several, or one post of several parts. `model` is taken and has no effect."""

    input: str | list[str | TextPart | ImagePart]
    model: str | None = None


class Result(msgspec.Struct, frozen=True):
    """What OpenAI says of one input."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[AppliedInput]]


class Moderation(msgspec.Struct, frozen=True):
    """The response."""

    id: str
    model: str
    results: list[Result]


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong."""

    message: str
    type: str
    code: str
    param: str | None = None


class ErrorResponse(msgspec.Struct, frozen=True):
    """What OpenAI answers instead."""

    error: ErrorBody


@post(
    "/v1/moderations",
    status_code=200,
    guards=[needs("score")],
    responses=declaring(ErrorResponse),
    summary="As OpenAI's moderation endpoint",
)
async def moderate(
    request: AnyRequest,
    data: JSONBody[ModerationRequest],
    service: NamedDependency[ScoringService],
) -> Moderation:
    """A result per text; one for a list of parts. Raises `RequestProblem` for none or too many."""
    posts = make_posts(data.input)
    if not 1 <= len(posts) <= MAX_POSTS:
        raise RequestProblem(400, "invalid", f"'input' takes 1 to {MAX_POSTS} entries, not {len(posts)}")
    admit(request, len(posts))
    verdicts = await service.score_all(posts, in_full=True)
    model = f"sluice-{verdicts[0].policy.name}-{verdicts[0].policy.version}"
    return Moderation(f"modr-{uuid.uuid4().hex}", model, [read_result(verdict) for verdict in verdicts])


def make_posts(given: str | list[str | TextPart | ImagePart]) -> list[Post]:
    """One post a text; one for a list of parts. Raises `RequestProblem` where they are mixed, or empty."""
    if isinstance(given, str):
        return [_text_post(given)]
    texts = [each for each in given if isinstance(each, str)]
    parts = [each for each in given if not isinstance(each, str)]
    if texts and parts:
        raise RequestProblem(400, "invalid", "'input' is a list of texts or a list of parts, not both")
    return [_parts_post(parts)] if parts else [_text_post(text) for text in texts]


def _text_post(text: str) -> Post:
    if not text:
        raise RequestProblem(400, "invalid", "'input' is empty")
    return Post(id=str(uuid.uuid4()), text=text)


def _parts_post(parts: list[TextPart | ImagePart]) -> Post:
    text = "\n".join(part.text for part in parts if isinstance(part, TextPart))
    uris = [part.image_url.url for part in parts if isinstance(part, ImagePart)]
    if not (text or uris):
        raise RequestProblem(400, "invalid", "'input' is empty")
    images = tuple(check_uri(uri, f"input: image {number}") for number, uri in enumerate(uris))
    return Post(id=str(uuid.uuid4()), text=text or None, images=images)


def read_result(verdict: Verdict) -> Result:
    """A verdict as OpenAI would say it. `flagged` is the policy's: also a post that nobody could read is flagged."""
    reasons = {reason.label for reason in verdict.reasons}
    given = {name.partition(":")[0] for name in verdict.modalities}
    said = CATEGORIES.items()
    return Result(
        flagged=verdict.decision != "allow",
        categories={name: bool(each.labels) and reasons.issuperset(each.labels) for name, each in said},
        category_scores={name: lowest_score(verdict, each.labels) for name, each in said},
        category_applied_input_types={
            name: [kind for kind in each.inputs if each.labels and kind in given] for name, each in said
        },
    )


def lowest_score(verdict: Verdict, labels: tuple[str, ...]) -> float:
    """The lowest of the labels' scores, 0 for none."""
    return min((verdict.scores[label] for label in labels), default=0.0)


def render_error(problem: RequestProblem) -> ErrorResponse:
    """An error as OpenAI words it."""
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = kinds.get(problem.status, "invalid_request_error" if problem.status < 500 else "server_error")
    return ErrorResponse(ErrorBody(problem.detail, kind, problem.code))


ROUTER = Router("/", route_handlers=[moderate], exception_handlers=answering(render_error), tags=["OpenAI"])
