"""Perspective's ``comments:analyze`` and ``comments:suggestscore``, scored by our models.

Requests, responses and errors as in https://developers.perspectiveapi.com/s/about-the-api-methods and in the service's
discovery document.
"""

from __future__ import annotations

import uuid
from html.parser import HTMLParser
from typing import Any, Literal

import msgspec
from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from sluice.api.access import admit, needs
from sluice.api.errors import AnyRequest, answering, declaring
from sluice.api.feedback import Feedback
from sluice.api.perspective_attributes import SCORES, UNSUPPORTED
from sluice.api.problems import RequestProblem
from sluice.api.scoring import ScoringService
from sluice.features.sentences import find_sentences
from sluice.schema import Post, Verdict

MAX_COMMENT_BYTES = 20_480
"""Perspective's own limit."""
MAX_SPANS = 64
"""Sentences that are scored apart; more are joined to the last."""
PROBABILITY = "PROBABILITY"
ERROR_TYPE = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"


class TextEntry(msgspec.Struct, frozen=True):
    """A text; `type` is ``PLAIN_TEXT`` or ``HTML``."""

    text: str = ""
    type: Literal["TEXT_TYPE_UNSPECIFIED", "PLAIN_TEXT", "HTML"] = "PLAIN_TEXT"


class AttributeParameters(msgspec.Struct, frozen=True, rename="camel"):
    """How an attribute is wanted; below `score_threshold` nothing is returned of it."""

    score_type: str = PROBABILITY
    score_threshold: float | None = None


class AnalyzeRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A comment to analyse.

    `context`, `do_not_store`, `session_id` and `community_id` are taken and have no effect: nothing is ever stored.
    """

    comment: TextEntry
    requested_attributes: dict[str, AttributeParameters]
    languages: list[str] = []
    span_annotations: bool = False
    drop_unsupported_attributes: bool = False
    client_token: str | None = None
    context: dict[str, Any] | None = None
    do_not_store: bool = False
    session_id: str | None = None
    community_id: str | None = None


class Score(msgspec.Struct, frozen=True):
    """A value in [0, 1]."""

    value: float
    type: str = PROBABILITY


class SpanScore(msgspec.Struct, frozen=True):
    """Of characters `begin` to `end`, half open."""

    begin: int
    end: int
    score: Score


class AttributeScores(msgspec.Struct, frozen=True, rename="camel"):
    """Of one attribute."""

    span_scores: list[SpanScore]
    summary_score: Score


class AnalyzeResponse(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What Perspective answers."""

    attribute_scores: dict[str, AttributeScores]
    languages: list[str]
    detected_languages: list[str] = []
    client_token: str | None = None


class SuggestRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What somebody thinks a comment's scores should be."""

    comment: TextEntry
    attribute_scores: dict[str, dict[str, Any]]
    languages: list[str] = []
    client_token: str | None = None
    context: dict[str, Any] | None = None
    session_id: str | None = None
    community_id: str | None = None


class SuggestResponse(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What Perspective answers."""

    detected_languages: list[str] = []
    client_token: str | None = None


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong: of google.rpc.Status, with the status spelt out."""

    code: int
    message: str
    status: str
    details: list[dict[str, Any]] = []


class ErrorResponse(msgspec.Struct, frozen=True):
    """What Google's APIs answer instead."""

    error: ErrorBody


_ERRORS = declaring(ErrorResponse)


@post(
    "/v1alpha1/comments:analyze",
    status_code=200,
    guards=[needs("score")],
    responses=_ERRORS,
    summary="As Perspective's analyze",
)
async def analyze(
    request: AnyRequest, data: JSONBody[AnalyzeRequest], service: NamedDependency[ScoringService]
) -> AnalyzeResponse:
    """Scores of the requested attributes, of the comment and, with `spanAnnotations`, of its sentences."""
    wanted = choose_attributes(data)
    text = read_comment(data.comment)
    spans = find_spans(text) if data.span_annotations else [(0, len(text))]
    texts = [text, *(text[begin:end] for begin, end in spans if len(spans) > 1)]
    admit(request, 1)
    posts = [Post(id=str(uuid.uuid4()), text=each) for each in texts]
    verdicts = await service.score_all(posts, in_full=True)
    whole, parts = verdicts[0], list(verdicts[1:]) or [verdicts[0]]
    detected = [] if whole.language is None else [whole.language.code]
    if _is_unread(whole) and not data.languages:
        wanted = _without_language(data, wanted, detected)
    return AnalyzeResponse(
        attribute_scores={
            name: _score(name, whole, list(zip(spans, parts, strict=True)))
            for name, parameters in wanted.items()
            if SCORES[name](whole) >= (parameters.score_threshold or 0.0)
        },
        languages=data.languages or detected,
        detected_languages=detected,
        client_token=data.client_token,
    )


def choose_attributes(data: AnalyzeRequest) -> dict[str, AttributeParameters]:
    """The attributes that are answered; raises `RequestProblem` for one that is not, unless told to drop those."""
    if not data.requested_attributes:
        raise _invalid("requestedAttributes names no attribute")
    for name, parameters in data.requested_attributes.items():
        if parameters.score_type not in (PROBABILITY, "SCORE_TYPE_UNSPECIFIED"):
            raise _invalid(f"{name}: scoreType {parameters.score_type} is not supported, only {PROBABILITY} is")
        if name not in SCORES and name not in UNSUPPORTED:
            raise _invalid(f"Attribute {name[:64]} is unknown")
        if name in UNSUPPORTED and not data.drop_unsupported_attributes:
            raise _invalid(f"Attribute {name} is not supported: no label of these models says it")
    return {name: parameters for name, parameters in data.requested_attributes.items() if name in SCORES}


def read_comment(comment: TextEntry) -> str:
    """The comment's text; raises `RequestProblem` for none, and for one over Perspective's limit."""
    if len(comment.text.encode("utf-8", "surrogatepass")) > MAX_COMMENT_BYTES:
        raise _invalid(f"Comment text is over {MAX_COMMENT_BYTES} bytes", "COMMENT_TOO_LONG")
    text = _strip_tags(comment.text) if comment.type == "HTML" else comment.text
    if not text.strip():
        raise _invalid("Comment must be non-empty", "COMMENT_EMPTY")
    return text


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def _strip_tags(markup: str) -> str:
    parser = _Text()
    parser.feed(markup)
    parser.close()
    return "".join(parser.pieces)


def find_spans(text: str) -> list[tuple[int, int]]:
    """The text's sentences as half-open ranges of characters, at most `MAX_SPANS`."""
    begins = find_sentences(text)[:MAX_SPANS]
    return list(zip(begins, [*begins[1:], len(text)], strict=True))


def _score(name: str, whole: Verdict, parts: list[tuple[tuple[int, int], Verdict]]) -> AttributeScores:
    spans = [SpanScore(begin, end, Score(SCORES[name](part))) for (begin, end), part in parts]
    return AttributeScores(spans, Score(SCORES[name](whole)))


def _is_unread(verdict: Verdict) -> bool:
    return verdict.modalities.get("text", "").endswith("is not read")


def _without_language(
    data: AnalyzeRequest, wanted: dict[str, AttributeParameters], detected: list[str]
) -> dict[str, AttributeParameters]:
    """No attribute, where such may be dropped; else the error that Perspective gives."""
    if data.drop_unsupported_attributes:
        return {}
    name = next(iter(wanted))
    raise _invalid(
        f"Attribute {name} does not support request languages: {', '.join(detected)}",
        "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        {"languageNotSupportedByAttributeError": {"detectedLanguages": detected, "attribute": name}},
    )


@post(
    "/v1alpha1/comments:suggestscore",
    status_code=200,
    guards=[needs("feedback")],
    responses=declaring(ErrorResponse, {501: "Suggestions are not kept here"}),
    summary="As Perspective's suggestscore",
)
async def suggest(data: JSONBody[SuggestRequest], feedback: NamedDependency[Feedback]) -> SuggestResponse:
    """Keeps what somebody thinks of a comment where the operator said so; else it is refused."""
    read_comment(data.comment)
    if not data.attribute_scores:
        raise _invalid("attributeScores must not be empty")
    await feedback.keep(data)
    return SuggestResponse(client_token=data.client_token)


def _invalid(detail: str, error_type: str | None = None, more: dict[str, Any] | None = None) -> RequestProblem:
    details = [{"@type": ERROR_TYPE, "errorType": error_type, **(more or {})}] if error_type else []
    return RequestProblem(400, "invalid", detail, fields={"details": details} if details else {})


_STATUSES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    413: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}  # fmt: skip
"""Of google.rpc.Code."""


def render_error(problem: RequestProblem) -> ErrorResponse:
    """An error as Google's APIs word it."""
    status = _STATUSES.get(problem.status, "INTERNAL" if problem.status >= 500 else "INVALID_ARGUMENT")
    return ErrorResponse(ErrorBody(problem.status, problem.detail, status, problem.fields.get("details", [])))


ROUTER = Router(
    "/", route_handlers=[analyze, suggest], exception_handlers=answering(render_error), tags=["Perspective"]
)
