"""``data:`` URIs as browsers read them, by the WHATWG's forgiving base64 (infra.spec.whatwg.org)."""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote_to_bytes

_HEAD = re.compile(r"data:(?P<type>[^,;]*)[^,]*;[ ]*base64[\t\n\f\r ]*,", re.ASCII | re.IGNORECASE)
_WHITESPACE = str.maketrans("", "", "\t\n\f\r ")


def split_data_uri(uri: str) -> tuple[str, str] | None:
    """The media type in small letters, which may be empty, and the base64 of a ``data:`` URI; None if it is none."""
    head = _HEAD.match(uri)
    if head is None:
        return None
    payload = uri[head.end() :]
    if "%" in payload:
        payload = unquote_to_bytes(payload).decode("latin-1")
    return head["type"].strip().lower(), payload.translate(_WHITESPACE)


def decode_base64(text: str) -> bytes:
    """Decode base64 whose padding may be missing; raises `ValueError` for what is none.

    Parameters
    ----------
    text : str
        Without white space.
    """
    if len(text) % 4 == 0:
        text = text.removesuffix("=").removesuffix("=")
    if "=" in text or len(text) % 4 == 1:
        raise ValueError("not base64")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:  # of which binascii's is one
        raise ValueError("not base64") from error
