"""Media out of a message and into a store: Kafka takes 1 MB a message, a store takes any size."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluice.media.store import MediaStore

INLINE_LIMIT_BYTES = 64 * 1024
"""Media longer than this travel by reference."""

_DATA_URI = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,", re.ASCII | re.IGNORECASE)
_SUFFIXES = {
    "image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp", "image/bmp": ".bmp",
    "audio/wav": ".wav", "audio/x-wav": ".wav", "audio/flac": ".flac", "audio/ogg": ".ogg", "audio/mpeg": ".mp3",
}  # fmt: skip


def move_inline_media(value: bytes, store: MediaStore) -> bytes:
    """Put every inline media above `INLINE_LIMIT_BYTES` into the store and its reference into the message.

    Parameters
    ----------
    value : bytes
        A message, which need not be a post. What cannot be read stays as it is: the worker says what is wrong with it.
    store : MediaStore
        Receives the decoded media.

    Returns
    -------
    bytes
        The very same bytes if nothing had to be moved.
    """
    if len(value) <= INLINE_LIMIT_BYTES:
        return value
    fields = _read_object(value)
    n_moved = sum(_move_in(item, store) for name in ("images", "audio") for item in _items(fields, name))
    if not n_moved:
        return value
    return json.dumps(fields, separators=(",", ":")).encode()


def _read_object(value: bytes) -> dict[str, Any]:
    # The standard library's parser, because it carries lone surrogates through.
    try:
        fields = json.loads(value.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _items(fields: dict[str, Any], name: str) -> list[Any]:
    items = fields.get(name)
    return items if isinstance(items, list) else []


def _move_in(item: Any, store: MediaStore) -> bool:
    uri = item.get("uri") if isinstance(item, dict) else None
    if not isinstance(uri, str) or len(uri) <= INLINE_LIMIT_BYTES:
        return False
    content, suffix = decode_inline(uri)
    if len(content) <= INLINE_LIMIT_BYTES:
        return False
    item["uri"] = store.put(content, suffix)
    return True


def decode_inline(uri: str) -> tuple[bytes, str]:
    """Read a ``data:…;base64,…`` URI.

    Returns
    -------
    content : bytes
        Empty if the URI is not a well-formed one.
    suffix : str
        A file name's ending that fits its type, or nothing.
    """
    head = _DATA_URI.match(uri)
    if head is None:
        return b"", ""
    try:
        content = base64.b64decode(uri[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        return b"", ""
    return content, _SUFFIXES.get((head["type"] or "").lower(), "")


def encode_inline(content: bytes, media_type: str) -> str:
    """Write a ``data:`` URI."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
