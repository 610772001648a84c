"""Media out of a message and into a store: Kafka takes 1 MB a message, a store takes any size."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from sluice.media.data_uri import decode_base64, split_data_uri

if TYPE_CHECKING:
    from sluice.media.store import MediaStore

INLINE_LIMIT_BYTES = 64 * 1024
"""Media longer than this travel by reference."""

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
    n_moved = sum(_move_items(fields, name, store) for name in ("images", "audio"))
    if not n_moved:
        return value
    return json.dumps(fields, separators=(",", ":")).encode()


def _read_object(value: bytes) -> dict[str, Any]:
    # The standard library's parser, because it carries lone surrogates through.
    try:
        fields = json.loads(value.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _move_items(fields: dict[str, Any], name: str, store: MediaStore) -> int:
    """Move what is large of one list of media; each is a reference or a URI alone."""
    items = fields.get(name)
    if not isinstance(items, list):
        return 0
    n_moved = 0
    for index, item in enumerate(items):
        uri = item.get("uri") if isinstance(item, dict) else item
        moved = _move(uri, store) if isinstance(uri, str) else None
        if moved is not None:
            items[index] = {**item, "uri": moved} if isinstance(item, dict) else moved
            n_moved += 1
    return n_moved


def _move(uri: str, store: MediaStore) -> str | None:
    """Where the store has the content of an inline URI; None if it is not worth a move."""
    if len(uri) <= INLINE_LIMIT_BYTES:
        return None
    content, suffix = decode_inline(uri)
    return store.put(content, suffix) if len(content) > INLINE_LIMIT_BYTES else None


def decode_inline(uri: str) -> tuple[bytes, str]:
    """Read a ``data:…;base64,…`` URI.

    Returns
    -------
    content : bytes
        Empty if the URI is not a well-formed one.
    suffix : str
        A file name's ending that fits its type, or nothing.
    """
    parts = split_data_uri(uri)
    if parts is None:
        return b"", ""
    media_type, payload = parts
    try:
        return decode_base64(payload), _SUFFIXES.get(media_type, "")
    except ValueError:
        return b"", ""


def encode_inline(content: bytes, media_type: str) -> str:
    """Write a ``data:`` URI."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
