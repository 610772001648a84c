"""The messages: `Post` in, `Verdict` out; their JSON codec and JSON Schema. Labels are those of the contract."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, get_args

import msgspec

from sluice.contract import CUES as CUES
from sluice.contract import HARMS as HARMS
from sluice.contract import LABELS as LABELS
from sluice.contract import MAX_AUDIO as MAX_AUDIO
from sluice.contract import MAX_IMAGES as MAX_IMAGES
from sluice.contract import MODALITIES as MODALITIES
from sluice.contract import ModalityName as ModalityName
from sluice.errors import InvalidPost

Decision = Literal["allow", "review", "block"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
"""From mildest to strictest."""

MAX_POST_BYTES = 2 * 2**20
"""A post's message may be this long; media above 64 KiB travel by reference, so only text fills it."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Media(msgspec.Struct, frozen=True):
    """One image or audio clip of a post.

    Attributes
    ----------
    uri : str
        ``https:``, ``http:``, ``s3:``, ``file:`` or ``data:`` (base64).
    """

    uri: Annotated[str, msgspec.Meta(min_length=1)]


class Post(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a publisher sends on ``moderation.posts``. Unknown fields are ignored.

    Attributes
    ----------
    id : str
        1 to 256 characters; also the message's key.
    text : str or None
        Any Unicode; lone surrogates are read as U+FFFD.
    images, audio : tuple of Media
        Up to 8 images and 4 clips.
    deadline_ms : int or None
        Milliseconds from pick-up to verdict; what is not scored by then is reported as late.
    """

    id: Id
    author_id: str | None = None
    surface: str | None = None
    created_at: str | None = None
    text: str | None = None
    images: Annotated[tuple[Media, ...], msgspec.Meta(max_length=MAX_IMAGES)] = ()
    audio: Annotated[tuple[Media, ...], msgspec.Meta(max_length=MAX_AUDIO)] = ()
    deadline_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000)] | None = None


class TextEvidence(msgspec.Struct, frozen=True, tag_field="modality", tag="text"):
    """A span of the text as published: characters (code points) `start` to `end`, half open."""

    start: int
    end: int


class ImageEvidence(msgspec.Struct, frozen=True, tag_field="modality", tag="image"):
    """A box in image `index`: left, top, right, bottom as shares of its width and height."""

    index: int
    box: tuple[Share, Share, Share, Share]


class AudioEvidence(msgspec.Struct, frozen=True, tag_field="modality", tag="audio"):
    """A time range in clip `index`, in seconds from its start."""

    index: int
    start_s: float
    end_s: float


Evidence = TextEvidence | ImageEvidence | AudioEvidence


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
    """

    label: str
    score: float
    threshold: float
    contributions: dict[str, float]
    evidence: tuple[Evidence, ...] = ()


class PolicyRef(msgspec.Struct, frozen=True):
    """Which policy decided."""

    name: str
    version: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What comes out on ``moderation.verdicts``, once per post.

    Attributes
    ----------
    scores, severity : dict of str to float
        One entry per label of `LABELS`, each in [0, 1].
    modalities : dict of str to str
        Per part: ``ok``, ``partial: …`` (only some of it was read) or ``failed: …``.
    latency_ms : dict of str to float
        Milliseconds: ``wait`` (in Kafka), ``fetch``, ``extract``, ``encode``, ``fuse``, ``total``.
    scored_at : str
        RFC 3339, UTC, milliseconds.
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


_POST_DECODER = msgspec.json.Decoder(Post)
_VERDICT_DECODER = msgspec.json.Decoder(Verdict)
_ENCODER = msgspec.json.Encoder()


def decode_post(raw: bytes) -> Post:
    """Read a post from a message's bytes.

    Parameters
    ----------
    raw : bytes
        UTF-8 JSON.

    Raises
    ------
    InvalidPost
        With the reason and the place of the mistake: over `MAX_POST_BYTES`, not UTF-8, not JSON, nested too
        deeply, a wrong type, no id, no modality.
    """
    if len(raw) > MAX_POST_BYTES:
        raise InvalidPost("too_large", f"the message has {len(raw)} bytes, the limit is {MAX_POST_BYTES}")
    post = _decode(raw)
    if not (post.text or post.images or post.audio):
        raise InvalidPost("invalid", "the post has no text, no images and no audio")
    return post


def _decode(raw: bytes) -> Post:
    try:
        return _POST_DECODER.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidPost("invalid", str(error)) from error
    except RecursionError as error:
        raise _nested_too_deeply() from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_leniently(raw)


def _decode_leniently(raw: bytes) -> Post:
    """The second try, for what strict JSON refuses but the standard library reads: lone surrogates."""
    try:
        fields = json.loads(_utf8(raw))
        return msgspec.convert(_without_surrogates(fields), Post)
    except msgspec.ValidationError as error:
        raise InvalidPost("invalid", str(error)) from error
    except RecursionError as error:
        raise _nested_too_deeply() from error
    except ValueError as error:
        raise InvalidPost("not_json", str(error)) from error


def _nested_too_deeply() -> InvalidPost:
    """Fields that we ignore are read over all the same, and any depth of brackets fits into a message."""
    return InvalidPost("not_json", "nested too deeply")


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidPost("not_utf8", f"byte {error.start} of {len(raw)}: {error.reason}") from error


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def encode(message: Post | Verdict) -> bytes:
    """Write a message as UTF-8 JSON."""
    return _ENCODER.encode(message)


def decode_verdict(raw: bytes) -> Verdict:
    """Read a verdict; raises `msgspec.DecodeError` (`msgspec.ValidationError` for a wrong type)."""
    return _VERDICT_DECODER.decode(raw)


def json_schema(message: Literal["post", "verdict"]) -> dict[str, Any]:
    """JSON Schema (2020-12) of a message."""
    schema = msgspec.json.schema({"post": Post, "verdict": Verdict}[message])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
