"""The messages as JSON, Avro or Protobuf: which it is says the header ``content-type``, as in CloudEvents over Kafka.

JSON needs no header, and Avro none either: its single-object encoding begins with two bytes that no text begins with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, cast

import msgspec

from sluice import schema
from sluice.errors import InvalidPost, SettingsError
from sluice.formats.schemas import AVRO_MARKER, FORMATS, Format, Name, NotInForm, read_schema
from sluice.schema import MAX_POST_BYTES, Post, Verdict

__all__ = [
    "CONTENT_TYPES", "CONTENT_TYPE_HEADER", "FORMATS", "Format", "Name", "decode_post", "decode_verdict", "encode_as",
    "form_of", "headers_for", "load_codec", "read_schema",
]  # fmt: skip

Headers = Sequence[tuple[str, bytes | None]]

CONTENT_TYPE_HEADER = "content-type"
CONTENT_TYPES: dict[Format, str] = {
    "json": "application/json",
    "avro": "application/avro",
    "protobuf": "application/protobuf",
}
_FORMATS: dict[bytes, Format] = {
    **{content_type.encode(): form for form, content_type in CONTENT_TYPES.items()},
    b"application/x-protobuf": "protobuf",  # what it was called before it was registered
}


class Codec(Protocol):
    """One form; a module."""

    def encode(self, message: Post | Verdict) -> bytes:
        """Write a message."""
        ...

    def decode_post(self, raw: bytes) -> Post:
        """Read a post; raises `NotInForm`, and `msgspec.ValidationError` for one with a wrong value."""
        ...

    def decode_verdict(self, raw: bytes) -> Verdict:
        """Read a verdict; raises as `decode_post` does."""
        ...


def encode_as(message: Post | Verdict, form: Format) -> bytes:
    """Write a message in a form; raises `SettingsError` without its extra."""
    return schema.encode(message) if form == "json" else load_codec(form).encode(message)


def load_codec(form: Format) -> Codec:
    """What reads and writes a form other than JSON; raises `SettingsError` without its extra."""
    try:
        if form == "avro":
            from sluice.formats import avro as codec
        else:
            from sluice.formats import protobuf as codec  # type: ignore[no-redef]
    except ImportError as error:
        raise SettingsError(
            f"messages in {form} need the extra [{form}]: pip install 'sluice-moderation[{form}]' ({error})"
        ) from error
    return cast(Codec, codec)


def decode_post(value: bytes | None, headers: Iterable[tuple[str, bytes | None]] = ()) -> Post:
    """Read a post in the form that its headers name.

    Raises
    ------
    InvalidPost
        As `sluice.schema.decode_post`; ``not_avro`` and ``not_protobuf`` for those forms, also without their extras.
    """
    form = form_of(value, headers)
    if form == "json" or value is None or len(value) > MAX_POST_BYTES:
        return schema.decode_post(value)
    try:
        post = load_codec(form).decode_post(value)
    except (NotInForm, SettingsError) as error:
        raise InvalidPost(f"not_{form}", str(error)) from error
    except msgspec.ValidationError as error:
        raise InvalidPost("invalid", str(error)) from error
    return schema.require_part(post)


def decode_verdict(value: bytes | None, headers: Iterable[tuple[str, bytes | None]] = ()) -> Verdict:
    """Read a verdict in the form that its headers name.

    Raises
    ------
    msgspec.DecodeError
        It is none.
    SettingsError
        The form's extra is not installed.
    """
    form = form_of(value, headers)
    return schema.decode_verdict(value or b"") if form == "json" else load_codec(form).decode_verdict(value or b"")


def form_of(value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> Format:
    """The form of a message. A type that is none of ours is read as JSON, as it was before there were others."""
    for name, content_type in headers:
        if name.lower() == CONTENT_TYPE_HEADER and content_type is not None:
            return _FORMATS.get(content_type.partition(b";")[0].strip().lower(), "json")
    return "avro" if value is not None and value.startswith(AVRO_MARKER) else "json"


def headers_for(form: Format, headers: Headers) -> Headers:
    """A post's headers for its verdict: they name the verdict's form. JSON is named only where another one was."""
    kept = [header for header in headers if header[0].lower() != CONTENT_TYPE_HEADER]
    if form == "json" == form_of(None, headers):
        return headers
    return [*kept, (CONTENT_TYPE_HEADER, CONTENT_TYPES[form].encode())]
