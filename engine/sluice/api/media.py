"""Media that a request brings: as an address, or inside it."""

from __future__ import annotations

from sluice.api.problems import RequestProblem
from sluice.schema import Media

SCHEMES = ("data:", "https:", "http:")
"""What strangers may name. Files and stores are the operator's own: a caller could find out what lies there."""


def check_uri(uri: str, where: str) -> Media:
    """A part's address; raises `RequestProblem` for one that a caller may not name."""
    if not uri[:6].lower().startswith(SCHEMES):
        raise RequestProblem(400, "invalid", f"{where}: the address begins with none of {', '.join(SCHEMES)}")
    return Media(uri)
