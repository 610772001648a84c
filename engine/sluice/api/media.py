"""Media that a request brings: as an address, or inside it."""

from __future__ import annotations

import base64

from sluice.api.problems import RequestProblem
from sluice.schema import Media

SCHEMES = ("data:", "https:", "http:")
"""What strangers may name. Files and stores are the operator's own: a caller could find out what lies there."""


def check_uri(uri: str, where: str) -> Media:
    """A part's address; raises `RequestProblem` for one that a caller may not name."""
    if not uri[:6].lower().startswith(SCHEMES):
        raise RequestProblem(400, "invalid", f"{where}: the address begins with none of {', '.join(SCHEMES)}")
    return Media(uri)


def inline(content: bytes, media_type: str) -> Media:
    """Bytes as an address of their own (RFC 2397)."""
    return Media(f"data:{media_type};base64,{base64.b64encode(content).decode()}")
