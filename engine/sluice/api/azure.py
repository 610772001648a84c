"""Azure AI Content Safety's ``text:analyze`` and ``image:analyze``, scored by our models.

Requests, responses and errors as in https://learn.microsoft.com/rest/api/contentsafety, version 2024-09-01.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from typing import Annotated, Any, Literal

import msgspec
from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from sluice.api.access import admit, needs
from sluice.api.errors import AnyRequest, answering, declaring
from sluice.api.media import check_uri
from sluice.api.problems import RequestProblem
from sluice.api.scoring import ScoringService
from sluice.schema import Media, Post, Verdict

CategoryName = Literal["Hate", "SelfHarm", "Sexual", "Violence"]
LABELS_OF: dict[CategoryName, tuple[str, ...]] = {
    "Hate": ("hate",),
    "SelfHarm": ("self_harm",),
    "Sexual": ("sexual",),
    "Violence": ("violence", "threat"),
}
"""The category is as severe as the most severe of its labels for which the policy has a reason."""
MOST_SEVERE, LEAST_SEVERE = 7, 2
"""Of eight levels. A reason of the policy is never below the second of four levels."""
MAX_CHARACTERS = 10_000
"""Azure's own limit of a text."""


class TextRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A text. Blocklists are lists at Azure: naming one is refused, an empty list is taken."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CHARACTERS)]
    categories: list[CategoryName] | None = None
    blocklist_names: list[str] = []
    halt_on_blocklist_hit: bool = False
    output_type: Literal["FourSeverityLevels", "EightSeverityLevels"] = "FourSeverityLevels"


class ImageData(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A picture in base64, or its address."""

    content: str | None = None
    blob_url: str | None = None


class ImageRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A picture."""

    image: ImageData
    categories: list[CategoryName] | None = None
    output_type: Literal["FourSeverityLevels"] = "FourSeverityLevels"


class CategoryAnalysis(msgspec.Struct, frozen=True):
    """Severity 0, 2, 4 or 6; of eight levels 0 to 7."""

    category: CategoryName
    severity: int


class TextAnalysis(msgspec.Struct, frozen=True, rename="camel"):
    """What Azure answers for a text."""

    blocklists_match: list[Any]
    categories_analysis: list[CategoryAnalysis]


class ImageAnalysis(msgspec.Struct, frozen=True, rename="camel"):
    """What Azure answers for a picture."""

    categories_analysis: list[CategoryAnalysis]


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong."""

    code: str
    message: str


class ErrorResponse(msgspec.Struct, frozen=True):
    """What Azure answers instead."""

    error: ErrorBody


_ERRORS = declaring(ErrorResponse)


@post(
    "/contentsafety/text:analyze",
    status_code=200,
    guards=[needs("score")],
    responses=_ERRORS,
    summary="As Azure AI Content Safety",
)
async def analyze_text(
    request: AnyRequest, data: JSONBody[TextRequest], service: NamedDependency[ScoringService]
) -> TextAnalysis:
    """Severities of a text in Azure's four categories; raises `RequestProblem` for a request that Azure refuses too."""
    if data.blocklist_names:
        raise RequestProblem(400, "invalid", "blocklists are not kept here; leave blocklistNames empty")
    admit(request, 1)
    verdict = await service.score(Post(id=str(uuid.uuid4()), text=data.text))
    return TextAnalysis([], read_severities(verdict, data.categories, data.output_type == "EightSeverityLevels"))


@post(
    "/contentsafety/image:analyze",
    status_code=200,
    guards=[needs("score")],
    responses=_ERRORS,
    summary="As Azure AI Content Safety",
)
async def analyze_image(
    request: AnyRequest, data: JSONBody[ImageRequest], service: NamedDependency[ScoringService]
) -> ImageAnalysis:
    """Severities of a picture in Azure's four categories; raises `RequestProblem` for one that was not read."""
    picture = read_image(data.image)
    admit(request, 1)
    verdict = await service.score(Post(id=str(uuid.uuid4()), images=(picture,)))
    if (status := verdict.modalities["image:0"]).startswith("failed"):
        raise RequestProblem(400, "invalid_image", f"the image was not read: {status}")
    return ImageAnalysis(read_severities(verdict, data.categories, False))


def read_image(image: ImageData) -> Media:
    """The picture; raises `RequestProblem` for none, both ways at once, or wrong base64."""
    if (image.content is None) == (image.blob_url is None):
        raise RequestProblem(400, "invalid", "image takes content or blobUrl, one of them")
    if image.blob_url is not None:
        return check_uri(image.blob_url, "image.blobUrl")
    try:
        return Media.inline(base64.b64decode(image.content or "", validate=True), "application/octet-stream")
    except binascii.Error as error:
        raise RequestProblem(400, "invalid", f"image.content is not base64: {error}") from error


def read_severities(verdict: Verdict, wanted: list[CategoryName] | None, eight: bool) -> list[CategoryAnalysis]:
    """Severity per category: of eight levels, or rounded down to one of four."""
    analyses = []
    for name in wanted or LABELS_OF:
        level = _level(verdict, LABELS_OF[name])
        analyses.append(CategoryAnalysis(name, level if eight else level - level % 2))
    return analyses


def _level(verdict: Verdict, labels: tuple[str, ...]) -> int:
    """0 without a reason of the policy; else by the label's severity, from `LEAST_SEVERE` to `MOST_SEVERE`."""
    severities = [verdict.severity[reason.label] for reason in verdict.reasons if reason.label in labels]
    if not severities:
        return 0
    return max(LEAST_SEVERE, round(MOST_SEVERE * max(severities)))


_CODES = {400: "InvalidRequestBody", 401: "401", 403: "403", 404: "404", 413: "InvalidRequestBody", 429: "429"}


def render_error(problem: RequestProblem) -> ErrorResponse:
    """An error as Azure words it."""
    code = _CODES.get(problem.status, "InternalServerError" if problem.status >= 500 else "InvalidRequestBody")
    return ErrorResponse(ErrorBody(code, problem.detail))


ROUTER = Router(
    "/", route_handlers=[analyze_text, analyze_image], exception_handlers=answering(render_error), tags=["Azure"]
)
