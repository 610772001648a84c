"""The messages: `Post` in, `Verdict` out; their JSON codec and JSON Schema. Labels are those of the contract."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal, get_args

import msgspec

from sluice.basis import AuthorHistory as AuthorHistory
from sluice.basis import Basis as Basis
from sluice.contract import CUES as CUES
from sluice.contract import HARMS as HARMS
from sluice.contract import LABELS as LABELS
from sluice.contract import MODALITIES as MODALITIES
from sluice.contract import ModalityName as ModalityName
from sluice.errors import InvalidPost
from sluice.evidence import AudioEvidence as AudioEvidence
from sluice.evidence import Evidence as Evidence
from sluice.evidence import HashMatch as HashMatch
from sluice.evidence import ImageEvidence as ImageEvidence
from sluice.evidence import ListMatch as ListMatch
from sluice.evidence import Share
from sluice.evidence import TextEvidence as TextEvidence
from sluice.loose_json import BYTE_ORDER_MARK, read_loosely
from sluice.strict_json import read_json

Decision = Literal["allow", "review", "block"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
"""From mildest to strictest."""

Urgency = Literal["none", "concern", "urgent"]
"""How soon somebody should look after a person, from not at all to at once."""

MAX_LISTED = 256
"""Of images, and of clips: what a verdict has room to name. How many of them are read stands in the contract."""

MAX_POST_BYTES = 2 * 2**20
"""A post's message may be this long; media above 64 KiB travel by reference, so only text fills it."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]

PostKey = tuple[str | None, str]
"""A post's tenant and id: two tenants may use one id."""


class Media(msgspec.Struct, frozen=True):
    """One image or audio clip of a post.

    Attributes
    ----------
    uri : str
        ``https:``, ``http:``, ``s3:``, ``file:`` or ``data:`` (base64).
    """

    uri: Annotated[str, msgspec.Meta(min_length=1)]

    @classmethod
    def inline(cls, content: bytes, media_type: str) -> Media:
        """Bytes as an address of their own (RFC 2397)."""
        return cls(f"data:{media_type};base64,{base64.b64encode(content).decode()}")


class Post(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a publisher sends on ``moderation.posts``. Unknown fields are ignored.

    Attributes
    ----------
    id : str
        1 to 256 characters; also the message's key.
    author_id, surface, tenant, market : str or None
        Who wrote it, where, whose community that is, and in which market; the verdict carries them.
    author_standing : str or None
        How the author stands there, in words of your own: ``new``, ``trusted``. Policies may look at it.
    text : str or None
        Any Unicode; lone surrogates are read as U+FFFD.
    images, audio : tuple of Media
        Of which 8 images and 4 clips are read.
    deadline_ms : int or None
        Milliseconds from pick-up to verdict; what is not scored by then is reported as late.
    """

    id: Id
    author_id: str | None = None
    surface: str | None = None
    tenant: str | None = None
    market: str | None = None
    author_standing: str | None = None
    created_at: str | None = None
    text: str | None = None
    images: Annotated[tuple[Media, ...], msgspec.Meta(max_length=MAX_LISTED)] = ()
    audio: Annotated[tuple[Media, ...], msgspec.Meta(max_length=MAX_LISTED)] = ()
    deadline_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000)] | None = None


class Reason(msgspec.Struct, frozen=True):
    """Why a post was not allowed: one label over its threshold.

    Attributes
    ----------
    score, threshold : float
        Calibrated probability and the policy's threshold it reached, both in [0, 1].
    contributions : dict of str to float
        For each part (``text``, ``image:0``, ...) the score less the score without that part.
    evidence : tuple of Evidence
        Where in the parts the models saw it; may be empty.
    name : str or None
        What the policy calls the label, if it has another word for it.
    """

    label: str
    score: float
    threshold: float
    contributions: dict[str, float]
    evidence: tuple[Evidence, ...] = ()
    name: str | None = None


class PolicyRef(msgspec.Struct, frozen=True):
    """Which policy decided.

    Attributes
    ----------
    sha256 : str
        Of all that it says, what it inherited included, in hexadecimal; empty for a verdict from before there was one.
    """

    name: str
    version: int
    sha256: str = ""


Scalar = str | int | float | bool  # what a rule looked at


class RuleReason(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of the policy that was true of a post, or that could not be evaluated.

    Attributes
    ----------
    rule : str
        Its name.
    decision, urgency, queue, tags, webhook, rate_limit
        What it asks for, as the policy has them.
    inputs : dict of str to value
        What it looked at, and what that was.
    failed : str or None
        Why it could not be evaluated; None where it was true.
    """

    rule: str
    decision: Decision | None = None
    urgency: Urgency | None = None
    queue: str | None = None
    tags: tuple[str, ...] = ()
    inputs: dict[str, Scalar | dict[str, str] | list[str]] = {}
    failed: str | None = None
    webhook: str | None = None
    rate_limit: str | None = None


class DetectedLanguage(msgspec.Struct, frozen=True):
    """The language of most of a post's text.

    Attributes
    ----------
    code : str
        BCP 47: an ISO 639 code; ``und`` where the text is too short or uncertain; ``und-Cyrl`` and the like where only
        the script is sure.
    probability : float
        Of that language; of ``und``, that of the most probable one.
    """

    code: str
    probability: Share


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What comes out on ``moderation.verdicts``, once per post.

    Attributes
    ----------
    scores, severity : dict of str to float
        One entry per label of `LABELS`, each in [0, 1].
    modalities : dict of str to str
        Per part: ``ok``, ``partial: …`` (only some of it was read, or not in its language) or ``failed: …``.
    models : dict of str to str
        Version of each model that was asked, by name; and where a first stage was asked, ``stage``: ``first`` if that
        was enough, so that the scores are those that it expects, ``full`` if not.
    language : DetectedLanguage or None
        Of the text; None without one, or if it was not read.
    urgency : str
        One of `Urgency`: whether the post speaks of harming oneself, as far as the score of ``self_harm`` tells.
    cached : tuple of str
        Names of the parts whose scores are those of an earlier post with the same text or file.
    latency_ms : dict of str to float
        Milliseconds: ``wait`` (in Kafka), ``fetch``, ``extract``, ``encode``, ``fuse``, ``total``.
    scored_at : str
        RFC 3339, UTC, milliseconds.
    author_id, surface, tenant, market : str or None
        The post's; None where it had none.
    rules : tuple of RuleReason
        The policy's rules that were true of the post, and those that failed.
    queue, tags
        Where a review belongs, by the first of these rules that says so; the tags of all of them.
    basis : Basis or None
        None in verdicts of earlier versions.
    lists, hashes : tuple of ListMatch, of HashMatch
        What the post holds of lists, and its media of banks of hashes, up to 100 of each.
    """

    post_id: str
    decision: Decision
    scores: dict[str, float]
    severity: dict[str, float]
    reasons: tuple[Reason, ...]
    modalities: dict[str, str]
    policy: PolicyRef
    models: dict[str, str]
    latency_ms: dict[str, float]
    scored_at: str
    language: DetectedLanguage | None = None
    urgency: Urgency = "none"
    cached: tuple[str, ...] = ()
    author_id: str | None = None
    surface: str | None = None
    tenant: str | None = None
    rules: tuple[RuleReason, ...] = ()
    queue: str | None = None
    tags: tuple[str, ...] = ()
    basis: Basis | None = None
    lists: tuple[ListMatch, ...] = ()
    hashes: tuple[HashMatch, ...] = ()
    market: str | None = None


class _Identified(msgspec.Struct):
    id: Id


_ID_DECODER = msgspec.json.Decoder(_Identified)
_MARK = BYTE_ORDER_MARK.encode()
_POST_DECODER = msgspec.json.Decoder(Post)
_VERDICT_DECODER = msgspec.json.Decoder(Verdict)
_ENCODER = msgspec.json.Encoder()


def decode_post(raw: bytes | None) -> Post:
    """Read a post from a message's bytes.

    Parameters
    ----------
    raw : bytes or None
        UTF-8 JSON; None for a message without a value.

    Raises
    ------
    InvalidPost
        With the reason and the place of the mistake: over `MAX_POST_BYTES`, not UTF-8, not JSON, nested too
        deeply, a wrong type, no id, no modality, no value.
    """
    if raw is None:
        raise InvalidPost("invalid", "the message has no value: it is a tombstone")
    if len(raw) > MAX_POST_BYTES:
        raise InvalidPost("too_large", f"the message has {len(raw)} bytes, the limit is {MAX_POST_BYTES}")
    return require_part(_decode(raw))


def require_part(post: Post) -> Post:
    """The post; raises `InvalidPost` if it has nothing to score."""
    if not (post.text or post.images or post.audio):
        raise InvalidPost("invalid", "the post has no text, no images and no audio")
    return post


def _decode(raw: bytes) -> Post:
    """Strictly, as nearly all posts can be read; leniently only what that refuses."""
    if _MARK in raw:
        return _decode_loosely(raw)
    try:
        return _POST_DECODER.decode(raw)
    except RecursionError as error:
        raise InvalidPost("not_json", "nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_loosely(raw)


def _decode_loosely(raw: bytes) -> Post:
    fields = read_loosely(raw)
    try:
        return msgspec.convert(fields, Post)
    except msgspec.ValidationError as error:
        raise InvalidPost("invalid", str(error)) from error


def read_id(raw: bytes) -> str | None:
    """The id that a message has, also where the rest of it is no post; None if it has none."""
    try:
        return read_json(_ID_DECODER.decode, raw).id
    except msgspec.DecodeError:
        return _read_id_loosely(raw)


def _read_id_loosely(raw: bytes) -> str | None:
    try:
        return msgspec.convert(read_loosely(raw), _Identified).id
    except (InvalidPost, msgspec.ValidationError):
        return None


def encode(message: Post | Verdict) -> bytes:
    """Write a message as UTF-8 JSON."""
    return _ENCODER.encode(message)


def decode_verdict(raw: bytes) -> Verdict:
    """Read a verdict; raises `msgspec.DecodeError` (`msgspec.ValidationError` for a wrong type)."""
    return read_json(_VERDICT_DECODER.decode, raw)


def json_schema(message: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON Schema (2020-12) of a message."""
    schema = msgspec.json.schema(message)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
